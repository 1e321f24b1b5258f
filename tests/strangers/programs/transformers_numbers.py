"""transformers: small configurations with PyTorch's numbers, text generated too."""

import transformers
from numberkit import draw, draw_ids, model_case

SMALL = {
    "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "vocab_size": 50,
    "intermediate_size": 37, "max_position_embeddings": 64,
}  # fmt: skip
DRY = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
IDS = draw_ids("ids", 2, 7)
CAUSAL = {"num_key_value_heads": 2, "eos_token_id": None, "bos_token_id": 1, "pad_token_id": 0}
FAMILIES = {
    "Llama": {}, "Qwen2": {}, "Mistral": {}, "Qwen3": {"head_dim": 8},
    "Gemma": {"head_dim": 8}, "Phi3": {}, "OlmoE": {}, "StableLm": {},
}  # fmt: skip


def of_text(model):
    return model(input_ids=IDS, labels=IDS).loss


def causal(name, extra):
    config = getattr(transformers, f"{name}Config")(**SMALL, **CAUSAL, **extra)
    return transformers.AutoModelForCausalLM.from_config(config), of_text


def gpt2():
    config = transformers.GPT2Config(
        n_embd=32, n_layer=2, n_head=4, vocab_size=50, n_positions=64, resid_pdrop=0.0,
        embd_pdrop=0.0, attn_pdrop=0.0, bos_token_id=1, eos_token_id=None, pad_token_id=0,
    )  # fmt: skip
    return transformers.GPT2LMHeadModel(config), of_text


def masked(name):
    config = getattr(transformers, f"{name}Config")(**SMALL, **DRY, pad_token_id=0)
    return transformers.AutoModelForMaskedLM.from_config(config), of_text


def classified():
    config = transformers.BertConfig(**SMALL, **DRY, num_labels=3, classifier_dropout=0.0)
    model = transformers.BertForSequenceClassification(config)
    mask = (IDS % 5 > 0).long()
    labels = draw_ids("labels", 2, low=0, high=3)
    return model, lambda m: m(input_ids=IDS, attention_mask=mask, labels=labels).loss


def distilbert():
    config = transformers.DistilBertConfig(
        dim=32, n_layers=2, n_heads=4, hidden_dim=37, vocab_size=50, dropout=0.0,
        attention_dropout=0.0,
    )  # fmt: skip
    return transformers.DistilBertForMaskedLM(config), of_text


def t5():
    config = transformers.T5Config(
        d_model=32, d_kv=8, d_ff=37, num_layers=2, num_heads=4, vocab_size=50, dropout_rate=0.0,
        decoder_start_token_id=0, eos_token_id=None, pad_token_id=0,
    )  # fmt: skip
    return transformers.T5ForConditionalGeneration(config), of_text


def bart():
    config = transformers.BartConfig(
        d_model=32, encoder_layers=1, decoder_layers=1, encoder_attention_heads=4,
        decoder_attention_heads=4, encoder_ffn_dim=37, decoder_ffn_dim=37, vocab_size=50,
        max_position_embeddings=64, dropout=0.0, decoder_start_token_id=2, pad_token_id=0,
        bos_token_id=1, eos_token_id=2, forced_eos_token_id=None,
    )  # fmt: skip
    return transformers.BartForConditionalGeneration(config), of_text


def vit():
    config = transformers.ViTConfig(**SMALL, **DRY, image_size=16, patch_size=4, num_labels=3)
    model = transformers.ViTForImageClassification(config)
    pixels, labels = draw("pixels", 2, 3, 16, 16), draw_ids("labels", 2, low=0, high=3)
    return model, lambda m: m(pixel_values=pixels, labels=labels).loss


def clip():
    text = {**SMALL, "projection_dim": 16, "eos_token_id": 49}
    vision = {**SMALL, "projection_dim": 16, "image_size": 16, "patch_size": 4}
    config = transformers.CLIPConfig(text_config=text, vision_config=vision, projection_dim=16)
    pixels = draw("pixels", 2, 3, 16, 16)
    return transformers.CLIPModel(
        config
    ), lambda m: m(input_ids=IDS, pixel_values=pixels, return_loss=True).loss


SOUND = draw("sound", 2, 8, 40)


def whisper():
    config = transformers.WhisperConfig(
        d_model=32, encoder_layers=1, decoder_layers=1, encoder_attention_heads=4,
        decoder_attention_heads=4, encoder_ffn_dim=37, decoder_ffn_dim=37, vocab_size=50,
        num_mel_bins=8, max_source_positions=20, max_target_positions=20, pad_token_id=0,
        decoder_start_token_id=1, bos_token_id=1, eos_token_id=2, suppress_tokens=None,
        begin_suppress_tokens=None,
    )  # fmt: skip
    model = transformers.WhisperForConditionalGeneration(config)
    return model, lambda m: m(input_features=SOUND, labels=IDS).loss


def written(model, **inputs):
    """Tokens by greedy search with a cache and without, and by beams."""
    inputs = inputs or {"input_ids": IDS}
    options = {"max_new_tokens": 5, "do_sample": False}
    ways = {"greedy": {}, "without a cache": {"use_cache": False}, "beams": {"num_beams": 3}}
    return {way: model.generate(**inputs, **options, **more).tolist() for way, more in ways.items()}


def heard(model):
    return written(model, input_features=SOUND)


for each, more in FAMILIES.items():
    if hasattr(transformers, f"{each}Config"):
        model_case("transformers", each, lambda n=each, x=more: causal(n, x), written)
model_case("transformers", "GPT2", gpt2, written)
for each in ("Bert", "Roberta", "Electra"):
    model_case("transformers", each, lambda n=each: masked(n))
model_case("transformers", "BertForSequenceClassification", classified)
model_case("transformers", "DistilBert", distilbert)
model_case("transformers", "T5", t5, written)
model_case("transformers", "Bart", bart, written)
model_case("transformers", "ViT", vit)
model_case("transformers", "CLIP", clip)
model_case("transformers", "Whisper", whisper, heard)
