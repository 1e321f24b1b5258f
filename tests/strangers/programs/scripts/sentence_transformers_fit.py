"""A sentence encoder trained with pairs, by its Trainer and by `fit`, and asked for neighbours."""

import argparse
import csv

from datasets import Dataset
from sentence_transformers import (
    InputExample,
    SentenceTransformer,
    SentenceTransformerTrainer,
    SentenceTransformerTrainingArguments,
    losses,
    models,
    util,
)
from sentence_transformers.evaluation import EmbeddingSimilarityEvaluator
from torch.utils.data import DataLoader


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--model")
    parser.add_argument("--data")
    parser.add_argument("--output_dir")
    args = parser.parse_args()
    words = models.Transformer(args.model, max_seq_length=16)
    model = SentenceTransformer(
        modules=[words, models.Pooling(words.get_word_embedding_dimension(), "mean")], device="cpu"
    )
    with open(args.data) as file:
        rows = list(csv.DictReader(file))
    pairs = list(zip(rows[::2], rows[1::2], strict=True))
    same = [float(a["label"] == b["label"]) for a, b in pairs]
    columns = {
        "sentence1": [a["sentence"] for a, _ in pairs],
        "sentence2": [b["sentence"] for _, b in pairs],
        "score": same,
    }
    evaluator = EmbeddingSimilarityEvaluator(columns["sentence1"], columns["sentence2"], same)
    trainer = SentenceTransformerTrainer(
        model=model,
        args=SentenceTransformerTrainingArguments(
            args.output_dir,
            max_steps=3,
            per_device_train_batch_size=len(pairs),
            learning_rate=1e-3,
            logging_steps=1,
            report_to="none",
            use_cpu=True,
            save_strategy="no",
        ),  # fmt: skip
        train_dataset=Dataset.from_dict(columns),
        loss=losses.CosineSimilarityLoss(model),
        evaluator=evaluator,
    )
    trainer.train()
    for entry in trainer.state.log_history:
        if "loss" in entry:
            print(f"number loss {float(entry['loss']):.6g}")
    examples = [InputExample(texts=[a["sentence"], b["sentence"]]) for a, b in pairs]
    loader = DataLoader(examples, batch_size=len(examples), shuffle=True)
    ranking = losses.MultipleNegativesRankingLoss(model)
    model.fit(
        [(loader, ranking)], epochs=1, warmup_steps=0, show_progress_bar=False,
        output_path=args.output_dir + "/model",
    )  # fmt: skip
    again = SentenceTransformer(args.output_dir + "/model", device="cpu")
    found = again.encode(["a good film", "a bad film", "the book"], convert_to_tensor=True)
    print(f"number similar {util.cos_sim(found, found).sum().item():.5g}")
    hits = util.semantic_search(found[:1], found, top_k=2)[0]
    assert hits[0]["corpus_id"] == 0


if __name__ == "__main__":
    main()
