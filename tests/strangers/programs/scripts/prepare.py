"""Local data and small models for the scripts beside this file: pictures, sentences, a tokenizer.

    python prepare.py FOLDER

Everything is drawn by NumPy, so that a script sees the same whatever `torch` is.
"""

import csv
import json
import math
import pathlib
import sys
import zlib

import numpy as np

WORDS = "a the good bad film book was is not very I liked hated it dull fine great poor".split()


def numbers(name, shape):
    return np.random.default_rng(zlib.crc32(name.encode())).standard_normal(shape).astype("f4")


def draw_weights(model):
    """Give every parameter the numbers that belong to its name."""
    import torch

    with torch.no_grad():
        for name, p in model.named_parameters():
            drawn = numbers(name, tuple(p.shape))
            if p.dim() > 1:
                drawn = drawn / math.sqrt(max(p[0].numel(), 1))
            else:
                drawn = drawn * 0.1 + (1.0 if name.endswith("weight") else 0.0)
            p.copy_(torch.from_numpy(np.ascontiguousarray(drawn)))
    return model


def pictures(folder):
    """Two folders of small pictures, one reddish and one bluish, for training and validation."""
    from PIL import Image

    rng = np.random.default_rng(0)
    for part, count in (("train", 8), ("val", 4)):
        for label, channel in (("blue", 2), ("red", 0)):
            place = folder / part / label
            place.mkdir(parents=True)
            for i in range(count):
                pixels = rng.integers(0, 128, (40, 48, 3), dtype=np.uint8)
                pixels[..., channel] += 100
                Image.fromarray(pixels).save(place / f"{i}.png")


def sentences(folder):
    """Sentences with a label, as a table and as plain text."""
    rng = np.random.default_rng(1)
    for part, count in (("train", 16), ("validation", 8)):
        with open(folder / f"{part}.csv", "w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["sentence", "label"])
            for _ in range(count):
                words = rng.choice(WORDS, rng.integers(4, 9))
                writer.writerow([" ".join(words), int("good" in words or "great" in words)])
    text = "\n".join(" ".join(rng.choice(WORDS, 8)) for _ in range(40))
    (folder / "text.txt").write_text(text + "\n")


def tokenizer(folder):
    """A tokenizer of whole words, in the files that transformers reads."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    vocabulary = {word: i for i, word in enumerate([*special, *dict.fromkeys(WORDS)])}
    made = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B [SEP]",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )  # fmt: skip
    made.save(str(folder / "tokenizer.json"))
    names = dict(zip(["pad", "unk", "cls", "sep", "mask"], special, strict=True))
    said = {f"{name}_token": text for name, text in names.items()}
    said |= {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": 32}
    (folder / "tokenizer_config.json").write_text(json.dumps(said))


def models(folder):
    """Small models of transformers, saved as from_pretrained reads them."""
    import transformers as t

    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    sizes |= {"intermediate_size": 24, "vocab_size": 32, "max_position_embeddings": 64}
    still = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    made = {
        "bert": t.BertModel(t.BertConfig(**sizes, **still)),
        "llama": t.LlamaForCausalLM(t.LlamaConfig(**sizes, pad_token_id=0, bos_token_id=2)),
        "gpt2": t.GPT2LMHeadModel(
            t.GPT2Config(
                vocab_size=32,
                n_positions=64,
                n_embd=16,
                n_layer=2,
                n_head=2,
                resid_pdrop=0.0,
                embd_pdrop=0.0,
                attn_pdrop=0.0,
                bos_token_id=2,
                eos_token_id=3,
            )  # fmt: skip
        ),
        "t5": t.T5ForConditionalGeneration(
            t.T5Config(
                vocab_size=32,
                d_model=16,
                d_kv=8,
                d_ff=24,
                num_layers=2,
                num_heads=2,
                dropout_rate=0.0,
                decoder_start_token_id=0,
            )  # fmt: skip
        ),
        "vit": t.ViTForImageClassification(
            t.ViTConfig(
                **{
                    k: v
                    for k, v in sizes.items()
                    if k not in ("vocab_size", "max_position_embeddings")
                },
                **still,
                image_size=32,
                patch_size=8,
            )  # fmt: skip
        ),
    }
    for name, model in made.items():
        draw_weights(model).save_pretrained(folder / name)
        if name != "vit":
            tokenizer(folder / name)
    t.ViTImageProcessor(size={"height": 32, "width": 32}).save_pretrained(folder / "vit")


def characters(folder):
    """The files of a model of characters: numbers in two bytes, the vocabulary, a checkpoint."""
    import pickle

    import torch

    place, width, words = folder / "characters", 16, 32
    place.mkdir()
    for part in ("train", "val"):
        rng = np.random.default_rng(len(part))
        rng.integers(0, words, 17).astype(np.uint16).tofile(place / f"{part}.bin")
    (place / "meta.pkl").write_bytes(pickle.dumps({"vocab_size": words}))
    shapes = {"wte": (words, width), "wpe": (16, width), "ln_f": (width,)}
    for i in range(2):
        shapes |= {
            f"h.{i}.ln_1": (width,), f"h.{i}.attn.c_attn": (3 * width, width),
            f"h.{i}.attn.c_proj": (width, width), f"h.{i}.ln_2": (width,),
            f"h.{i}.mlp.c_fc": (4 * width, width), f"h.{i}.mlp.c_proj": (width, 4 * width),
        }  # fmt: skip
    state = {
        f"_orig_mod.transformer.{name}.weight": torch.from_numpy(numbers(name, shape) * 0.3)
        for name, shape in shapes.items()
    }
    state["_orig_mod.lm_head.weight"] = state["_orig_mod.transformer.wte.weight"]
    args = {"n_layer": 2, "n_head": 2, "n_embd": width, "block_size": 16, "bias": False}
    args |= {"vocab_size": words, "dropout": 0.0}
    said = {"model": state, "optimizer": None, "model_args": args, "iter_num": 0}
    torch.save(said | {"best_val_loss": 1e9}, place / "ckpt.pt")


def checkpoints(folder):
    """Weights of models of pictures that are there."""
    import importlib.util

    import torch

    if importlib.util.find_spec("torchvision"):
        import torchvision

        model = torchvision.models.resnet18(num_classes=2)
        torch.save(draw_weights(model).state_dict(), folder / "resnet18.pth")
    if importlib.util.find_spec("timm"):
        import timm

        model = timm.create_model("test_vit3", num_classes=2, img_size=64)
        torch.save(draw_weights(model).state_dict(), folder / "timm.pth")


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    pictures(folder / "pictures")
    sentences(folder)
    models(folder)
    characters(folder)
    checkpoints(folder)


if __name__ == "__main__":
    main()
