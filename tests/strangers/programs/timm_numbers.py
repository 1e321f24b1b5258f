"""timm's test models and optimizers, with PyTorch's numbers."""

import torch
from numberkit import draw, draw_ids, model_case, numbers_case

LABELS = draw_ids("labels", 2, low=0, high=3)
TIMM = (
    "test_vit", "test_vit2", "test_vit3", "test_vit4", "test_resnet", "test_efficientnet",
    "test_efficientnet_ln", "test_efficientnet_gn", "test_efficientnet_evos", "test_convnext",
    "test_convnext2", "test_convnext3", "test_byobnet", "test_nfnet", "test_mambaout",
)  # fmt: skip
OPTIMIZERS = (
    "adamw lamb lion adafactor adan nadamw madgrad muon adabelief adopt lars novograd rmsproptf "
    "sgdw mars laprop"
)
SIZES = {"test_vit": 160, "test_vit2": 160, "test_vit3": 160, "test_vit4": 160}


def timm_model(name):
    import timm

    images = draw("images", 2, 3, *[SIZES.get(name, 64)] * 2)
    model = timm.create_model(name, num_classes=3, drop_rate=0.0, drop_path_rate=0.0)
    return model, lambda m: torch.nn.functional.cross_entropy(m(images), LABELS)


def timm_optimizer(name):
    import timm.optim

    model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Tanh(), torch.nn.Linear(8, 1))
    x = draw("x", 16, 4)
    with torch.no_grad():
        for key, p in model.named_parameters():
            p.copy_(draw(key, *p.shape) * 0.3)
    optimizer = timm.optim.create_optimizer_v2(model, opt=name, lr=1e-2, weight_decay=1e-2)

    def step():
        optimizer.zero_grad()
        loss = (model(x) - x.sum(1, keepdim=True)).square().mean()
        loss.backward()
        optimizer.step()
        return loss

    return step


def optimizer_numbers(name):
    def numbers(compiled):
        step = timm_optimizer(name)
        step = torch.compile(step) if compiled else step
        return [step().item() for _ in range(8)]

    return numbers


for each in TIMM:
    model_case("timm", each, lambda n=each: timm_model(n))
for each in OPTIMIZERS.split():
    numbers_case("timm", f"optim.{each}", optimizer_numbers(each))
