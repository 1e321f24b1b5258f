"""transformers: random small configurations: loss, gradients, a step, text generation."""

import torch
import transformers
from casekit import case, train

SMALL = {
    "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "vocab_size": 50,
    "intermediate_size": 37, "max_position_embeddings": 64,
}  # fmt: skip


def tokens(length=7):
    return torch.randint(3, 50, (2, length))


def causal(name):
    config = getattr(transformers, f"{name}Config")(**SMALL, num_key_value_heads=2)
    model = transformers.AutoModelForCausalLM.from_config(config)
    ids = tokens()
    train(lambda_model(model, ids), None, lambda out: out.loss)
    model.eval()
    greedy = model.generate(ids, max_new_tokens=4, do_sample=False, pad_token_id=0)
    assert greedy.shape[1] > ids.shape[1]
    full = model.generate(ids, max_new_tokens=4, do_sample=False, use_cache=False, pad_token_id=0)
    assert greedy.tolist() == full.tolist()
    model.generate(ids, max_new_tokens=3, do_sample=True, pad_token_id=0)
    model.generate(ids, max_new_tokens=3, num_beams=2, pad_token_id=0)


class lambda_model:
    """The model as a function of nothing, with its parameters."""

    def __init__(self, model, ids, **kwargs):
        self.model, self.ids, self.kwargs = model, ids, kwargs

    def __call__(self, _):
        return self.model(input_ids=self.ids, labels=self.ids, **self.kwargs)

    def parameters(self):
        return self.model.parameters()


def gpt2():
    config = transformers.GPT2Config(
        n_embd=32,
        n_layer=2,
        n_head=4,
        vocab_size=50,
        n_positions=64,
        bos_token_id=1,
        eos_token_id=2,
    )
    model = transformers.GPT2LMHeadModel(config)
    ids = tokens()
    train(lambda_model(model, ids), None, lambda out: out.loss)
    model.eval()
    assert model.generate(ids, max_new_tokens=4, pad_token_id=0).shape[1] > 7


def masked(name, **extra):
    config = getattr(transformers, f"{name}Config")(**{**SMALL, **extra})
    model = transformers.AutoModelForMaskedLM.from_config(config)
    train(lambda_model(model, tokens()), None, lambda out: out.loss)


def t5():
    config = transformers.T5Config(
        d_model=32, d_kv=8, d_ff=37, num_layers=2, num_heads=4, vocab_size=50,
        decoder_start_token_id=0,
    )  # fmt: skip
    model = transformers.T5ForConditionalGeneration(config)
    train(lambda_model(model, tokens()), None, lambda out: out.loss)
    model.eval()
    model.generate(tokens(), max_new_tokens=4)


def vit():
    config = transformers.ViTConfig(**SMALL, image_size=16, patch_size=4, num_labels=3)
    model = transformers.ViTForImageClassification(config)
    pixels, labels = torch.randn(2, 3, 16, 16), torch.tensor([0, 2])
    train(model, pixels, lambda out: torch.nn.functional.cross_entropy(out.logits, labels))


def clip():
    text = {**SMALL, "projection_dim": 16}
    vision = {**SMALL, "projection_dim": 16, "image_size": 16, "patch_size": 4}
    config = transformers.CLIPConfig(text_config=text, vision_config=vision, projection_dim=16)
    model = transformers.CLIPModel(config)
    out = model(input_ids=tokens(), pixel_values=torch.randn(2, 3, 16, 16), return_loss=True)
    out.loss.backward()


def whisper():
    config = transformers.WhisperConfig(
        d_model=32, encoder_layers=1, decoder_layers=1, encoder_attention_heads=4,
        decoder_attention_heads=4, encoder_ffn_dim=37, decoder_ffn_dim=37, vocab_size=50,
        num_mel_bins=8, max_source_positions=20, max_target_positions=20, pad_token_id=0,
        decoder_start_token_id=1, bos_token_id=1, eos_token_id=2, suppress_tokens=None,
        begin_suppress_tokens=None,
    )  # fmt: skip
    model = transformers.WhisperForConditionalGeneration(config)
    model(input_features=torch.randn(2, 8, 40), labels=tokens(5)).loss.backward()


def saved_and_loaded():
    import tempfile

    config = transformers.LlamaConfig(**SMALL, num_key_value_heads=2)
    model, ids = transformers.LlamaForCausalLM(config).eval(), tokens()
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        again = transformers.AutoModelForCausalLM.from_pretrained(folder).eval()
    assert torch.equal(model(ids).logits, again(ids).logits)


def trainer(saves):
    import tempfile

    config = transformers.LlamaConfig(**SMALL, num_key_value_heads=2)
    model = transformers.LlamaForCausalLM(config)
    rows = [{"input_ids": row, "labels": row} for row in tokens().repeat(6, 1)]
    with tempfile.TemporaryDirectory() as folder:
        options = transformers.TrainingArguments(
            folder, max_steps=3, save_steps=2, save_strategy="steps" if saves else "no",
            per_device_train_batch_size=2, report_to=[],
            logging_steps=1, use_cpu=True,
        )  # fmt: skip
        result = transformers.Trainer(model, options, train_dataset=rows).train()
        assert result.global_step == 3
        if not saves:
            return
        wanted = {name: p.detach().clone() for name, p in model.named_parameters()}
        again = transformers.Trainer(
            transformers.LlamaForCausalLM(config), options, train_dataset=rows
        )
        assert again.train(resume_from_checkpoint=f"{folder}/checkpoint-2").global_step == 3
        for name, p in again.model.named_parameters():
            assert torch.allclose(p, wanted[name], atol=1e-6), name


case("GPT2", gpt2)
case("Llama", causal, "Llama")
case("Qwen2", causal, "Qwen2")
case("Mistral", causal, "Mistral")
case("Bert", masked, "Bert")
case("Roberta", masked, "Roberta")
case("T5", t5)
case("ViT", vit)
case("CLIP", clip)
case("Whisper", whisper)
case("from_pretrained", saved_and_loaded)
case("Trainer", trainer, False)
case("Trainer with checkpoints", trainer, True)
