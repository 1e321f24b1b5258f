"""All cases by their names on the command line."""

from benchmarks.cases import alexnet, embedding, lenet, lstm, mlp, resnet, transformer

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
