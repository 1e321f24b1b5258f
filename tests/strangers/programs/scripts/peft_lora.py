"""Fine-tune a small language model with LoRA, merge it and save it."""

import argparse

import torch
from datasets import load_dataset
from peft import LoraConfig, PeftModel, TaskType, get_peft_model, prepare_model_for_kbit_training
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    DataCollatorForLanguageModeling,
    Trainer,
    TrainingArguments,
)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--base_model")
    parser.add_argument("--data_path")
    parser.add_argument("--output_dir")
    args = parser.parse_args()
    tokenizer = AutoTokenizer.from_pretrained(args.base_model)
    tokenizer.padding_side = "left"
    model = AutoModelForCausalLM.from_pretrained(args.base_model, dtype=torch.float32)
    model = prepare_model_for_kbit_training(model)
    config = LoraConfig(
        r=4, lora_alpha=8, target_modules=["q_proj", "v_proj"], lora_dropout=0.0, bias="none",
        task_type=TaskType.CAUSAL_LM, init_lora_weights=False,
    )  # fmt: skip
    model = get_peft_model(model, config)
    model.print_trainable_parameters()
    with torch.no_grad():
        for i, (name, p) in enumerate(model.named_parameters()):
            if "lora" in name:
                p.copy_(torch.linspace(-0.2, 0.2, p.numel()).reshape(p.shape).roll(i, 0))

    def tokenize(point):
        result = tokenizer(point["sentence"], truncation=True, max_length=12)
        result.pop("token_type_ids", None)
        return result

    data = load_dataset("csv", data_files=args.data_path, cache_dir=args.output_dir + "/cache")
    rows = data["train"].map(tokenize, remove_columns=["sentence", "label"])
    trainer = Trainer(
        model=model,
        train_dataset=rows,
        args=TrainingArguments(
            args.output_dir,
            per_device_train_batch_size=8,
            gradient_accumulation_steps=2,
            warmup_steps=2,
            max_steps=4,
            learning_rate=3e-2,
            logging_steps=1,
            save_strategy="steps",
            save_steps=2,
            report_to="none",
            use_cpu=True,
            train_sampling_strategy="sequential",  # what is drawn differs from PyTorch's
        ),  # fmt: skip
        data_collator=DataCollatorForLanguageModeling(tokenizer, mlm=False),
    )
    model.config.use_cache = False
    trainer.train()
    for entry in trainer.state.log_history:
        if "loss" in entry:
            print(f"number loss {float(entry['loss']):.6g}")
    model.save_pretrained(args.output_dir + "/adapter")
    base = AutoModelForCausalLM.from_pretrained(args.base_model)
    loaded = PeftModel.from_pretrained(base, args.output_dir + "/adapter").eval()
    ids = torch.tensor([[2, 5, 6, 7]])
    with torch.no_grad():
        split = loaded(ids).logits
        merged = loaded.merge_and_unload()
        assert torch.allclose(split, merged(ids).logits, atol=1e-4)
    merged.save_pretrained(args.output_dir + "/merged")
    print("text", merged.generate(ids, max_new_tokens=4, do_sample=False).tolist())


if __name__ == "__main__":
    main()
