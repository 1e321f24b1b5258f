"""All cases by their names on the command line, and groups of them."""

from dataclasses import replace

from benchmarks.cases import (
    alexnet,
    embedding,
    gpt,
    graph,
    lenet,
    lstm,
    mlp,
    mobilenet,
    pictures,
    resnet,
    sequences,
    small_layers,
    transformer,
    vit,
)
from benchmarks.cases.convolutions import CONVOLUTIONS

CASES = {
    "mlp": mlp.MLP,
    "deep_mlp": mlp.DEEP_MLP,
    "lenet": lenet.LENET,
    "alexnet": alexnet.ALEXNET,
    "resnet18": resnet.RESNET18,
    "lstm": lstm.LSTM,
    "transformer": transformer.TRANSFORMER,
    "embedding": embedding.EMBEDDING,
    "mlp_inference": mlp.MLP.for_inference(),
    "lenet_inference": lenet.LENET.for_inference(),
    "resnet18_inference": resnet.RESNET18.for_inference(),
    "resnet152_inference": resnet.RESNET152,
    "lstm_inference": lstm.LSTM.for_inference(),
    "transformer_inference": transformer.TRANSFORMER.for_inference(),
}
CASES |= {
    f"{name}_strangers": CASES[name].as_strangers_write_it()
    for name in ("mlp", "deep_mlp", "lenet", "resnet18", "lstm", "transformer")
}

#: Layers that those lack.
LAYERS = {
    "mobilenet": mobilenet.MOBILENET,
    "mobilenet_inference": mobilenet.MOBILENET.for_inference(),
    "dcgan": pictures.GENERATOR,
    "unet": pictures.UNET,
    "gru": sequences.GRU,
    "tcn": sequences.TCN,
    "gpt": gpt.GPT,
    "vit": vit.VIT,
    "small_layers": small_layers.SMALL_LAYERS,
    "gcn": graph.GCN,
    "embedding_million": embedding.MILLION,
    **CONVOLUTIONS,
}


def _in_lower_precision(case, name):
    return replace(case, name=name, dtype="bfloat16", tolerance=3e-2, jax_model=None)


def _in_double(case):
    models = dict.fromkeys(("jax_model", "flax_model", "equinox_model"))
    return replace(case, name=f"{case.name}, float64", dtype="float64", **models)


#: The same work in other dtypes, and one row at a time.
VARIANTS = {
    "mlp_float64": _in_double(mlp.perceptron("MLP 784-256-10, batch 64", [784, 256, 10], 64, 0.1)),
    "lenet_float64": _in_double(lenet.LENET),
    "gpt_bfloat16": _in_lower_precision(gpt.GPT, f"{gpt.GPT.name}, bfloat16"),
    "mobilenet_bfloat16": _in_lower_precision(
        mobilenet.mobilenet("MobileNetV2 blocks, 64×64, batch 8, bfloat16", batch=8, size=64),
        "MobileNetV2 blocks, 64×64, batch 8, bfloat16",
    ),
    "lenet_single": lenet.lenet("LeNet, batch 1", batch=1),
    "resnet18_single": resnet.resnet("ResNet-18, batch 1", [2, 2, 2, 2], False, batch=1),
    "gpt_single": gpt.gpt(
        "GPT, 6 blocks of 192, 128 words, batch 1", 1, 128, words=1024, layers=6, size=192, heads=6
    ),
}
GROUPS = {"classic": list(CASES), "layers": list(LAYERS), "variants": list(VARIANTS)}
CASES |= LAYERS | VARIANTS
