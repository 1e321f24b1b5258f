"""A causal language model on a text file: grouped texts, Trainer, perplexity, generation."""

import argparse
import math
from itertools import chain

from datasets import load_dataset
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    Trainer,
    TrainingArguments,
    default_data_collator,
)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--model_name_or_path")
    parser.add_argument("--train_file")
    parser.add_argument("--output_dir")
    parser.add_argument("--block_size", type=int, default=16)
    args = parser.parse_args()
    raw = load_dataset(
        "text", data_files={"train": args.train_file}, cache_dir=args.output_dir + "/cache"
    )
    tokenizer = AutoTokenizer.from_pretrained(args.model_name_or_path)
    model = AutoModelForCausalLM.from_pretrained(args.model_name_or_path)
    if len(tokenizer) > model.get_input_embeddings().weight.shape[0]:
        model.resize_token_embeddings(len(tokenizer))
    tokenized = raw.map(lambda e: tokenizer(e["text"]), batched=True, remove_columns=["text"])

    def group_texts(examples):
        joined = {k: list(chain(*examples[k])) for k in ("input_ids", "attention_mask")}
        total = len(joined["input_ids"]) // args.block_size * args.block_size
        result = {
            k: [t[i : i + args.block_size] for i in range(0, total, args.block_size)]
            for k, t in joined.items()
        }
        result["labels"] = result["input_ids"].copy()
        return result

    blocks = tokenized.map(
        group_texts, batched=True, remove_columns=tokenized["train"].column_names
    )["train"]
    training_args = TrainingArguments(
        args.output_dir,
        max_steps=4,
        per_device_train_batch_size=len(blocks),
        learning_rate=1e-2,
        lr_scheduler_type="cosine",
        warmup_steps=1,
        logging_steps=1,
        gradient_checkpointing=True,
        optim="adamw_torch",
        max_grad_norm=0.5,
        save_strategy="no",
        report_to="none",
        use_cpu=True,
    )
    trainer = Trainer(
        model=model,
        args=training_args,
        train_dataset=blocks,
        eval_dataset=blocks.select(range(4)),
        processing_class=tokenizer,
        data_collator=default_data_collator,
    )
    trainer.train()
    metrics = trainer.evaluate()
    print(f"number perplexity {math.exp(metrics['eval_loss']):.5g}")
    for entry in trainer.state.log_history:
        if "loss" in entry:
            print(f"number loss {float(entry['loss']):.6g}")
            print(f"number norm {float(entry['grad_norm']):.5g}")
    model.eval()
    prompt = tokenizer("the film was", return_tensors="pt", add_special_tokens=False)
    prompt.pop("token_type_ids", None)
    out = model.generate(**prompt, max_new_tokens=6, do_sample=False, pad_token_id=0)
    print("text", tokenizer.decode(out[0]))
    out = model.generate(**prompt, max_new_tokens=5, num_beams=3, pad_token_id=0)
    print("text", tokenizer.decode(out[0]))


if __name__ == "__main__":
    main()
