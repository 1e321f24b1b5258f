"""Sentence classification with transformers' Trainer, on a table of one's own."""

import sys
from dataclasses import dataclass, field

import numpy as np
from datasets import load_dataset
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    DataCollatorWithPadding,
    EarlyStoppingCallback,
    HfArgumentParser,
    Trainer,
    TrainingArguments,
    set_seed,
)


@dataclass
class DataArguments:
    train_file: str = field(metadata={"help": "a csv file"})
    validation_file: str = field(metadata={"help": "a csv file"})
    max_seq_length: int = field(default=16)


@dataclass
class ModelArguments:
    model_name_or_path: str = field(metadata={"help": "a folder or a name on the hub"})


def main():
    parser = HfArgumentParser((ModelArguments, DataArguments, TrainingArguments))
    model_args, data_args, training_args = parser.parse_args_into_dataclasses(sys.argv[1:])
    set_seed(training_args.seed)
    files = {"train": data_args.train_file, "validation": data_args.validation_file}
    raw = load_dataset("csv", data_files=files, cache_dir=training_args.output_dir + "/cache")
    labels = sorted(raw["train"].unique("label"))
    config = AutoConfig.from_pretrained(
        model_args.model_name_or_path, num_labels=len(labels), classifier_dropout=0.0
    )
    tokenizer = AutoTokenizer.from_pretrained(model_args.model_name_or_path)
    model = AutoModelForSequenceClassification.from_pretrained(
        model_args.model_name_or_path, config=config, ignore_mismatched_sizes=True
    )
    model.classifier.weight.data.fill_(0.1)
    model.classifier.bias.data.zero_()

    def preprocess(examples):
        result = tokenizer(
            examples["sentence"], truncation=True, max_length=data_args.max_seq_length
        )
        result["label"] = examples["label"]
        return result

    data = raw.map(preprocess, batched=True, desc="Running tokenizer on dataset")

    def compute_metrics(p):
        predictions = np.argmax(p.predictions, axis=1)
        return {"accuracy": (predictions == p.label_ids).astype(np.float32).mean().item()}

    trainer = Trainer(
        model=model,
        args=training_args,
        train_dataset=data["train"],
        eval_dataset=data["validation"],
        compute_metrics=compute_metrics,
        processing_class=tokenizer,
        data_collator=DataCollatorWithPadding(tokenizer, pad_to_multiple_of=8),
        callbacks=[EarlyStoppingCallback(early_stopping_patience=5)],
    )
    train_result = trainer.train()
    trainer.save_model()
    trainer.log_metrics("train", train_result.metrics)
    trainer.save_state()
    metrics = trainer.evaluate(eval_dataset=data["validation"])
    trainer.log_metrics("eval", metrics)
    trainer.save_metrics("eval", metrics)
    predicted = trainer.predict(data["validation"].remove_columns("label"))
    assert predicted.predictions.shape == (8, 2)
    for entry in trainer.state.log_history:
        for key in ("loss", "eval_loss", "grad_norm"):
            if key in entry:
                print(f"number {key} {float(entry[key]):.6g}")


if __name__ == "__main__":
    main()
