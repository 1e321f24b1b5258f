"""torchvision's small models, transforms and operations, with PyTorch's numbers."""

import torch
from numberkit import draw, draw_ids, model_case, numbers_case

IMAGES = draw("images", 2, 3, 64, 64)
LABELS = draw_ids("labels", 2, low=0, high=3)


def torchvision_model(name, **options):
    import torchvision

    model = torchvision.models.get_model(name, num_classes=3, **options).double()
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    images = IMAGES.double()  # in float32 PyTorch's own third loss has one or two digits
    return model, lambda m: torch.nn.functional.cross_entropy(m(images), LABELS)


def transforms(_):
    """What torchvision's transforms without chance make of a picture."""
    from torchvision.transforms import v2

    image = (draw("picture", 3, 20, 24).abs() * 100).clamp(max=255).to(torch.uint8)
    floats = v2.functional.to_dtype(image, torch.float32, scale=True)
    ways = {
        "resize": v2.Resize(16, antialias=True),
        "resize nearest": v2.Resize((11, 9), interpolation=v2.InterpolationMode.NEAREST),
        "crop": v2.CenterCrop(12),
        "pad": v2.Pad(3, padding_mode="reflect"),
        "gray": v2.Grayscale(),
        "blur": v2.GaussianBlur(5, sigma=1.5),
        "normalize": v2.Normalize([0.4] * 3, [0.2] * 3),
        "flip": v2.RandomHorizontalFlip(1.0),
        "five": lambda x: torch.stack(v2.FiveCrop(8)(x)),
        "rotate": lambda x: v2.functional.rotate(x, 30.0),
        "affine": lambda x: v2.functional.affine(x, 10.0, [2, 1], 1.2, [5.0, 0.0]),
        "perspective": lambda x: v2.functional.perspective(
            x, [[0, 0], [23, 0], [23, 19], [0, 19]], [[2, 1], [20, 0], [22, 18], [1, 17]]
        ),
        "brightness": lambda x: v2.functional.adjust_brightness(x, 1.3),
        "contrast": lambda x: v2.functional.adjust_contrast(x, 1.3),
        "saturation": lambda x: v2.functional.adjust_saturation(x, 0.4),
        "hue": lambda x: v2.functional.adjust_hue(x, 0.2),
        "sharpness": lambda x: v2.functional.adjust_sharpness(x, 2.0),
        "solarize": lambda x: v2.functional.solarize(x, 0.5),
        "autocontrast": v2.functional.autocontrast,
    }
    whole = {
        "posterize": lambda x: v2.functional.posterize(x, 3),
        "equalize": v2.functional.equalize,
        "invert": v2.functional.invert,
    }
    found = {name: summary(way(floats)) for name, way in ways.items()}
    return found | {name: summary(way(image)) for name, way in whole.items()}


def summary(x):
    x = x.to(torch.float64)
    weights = torch.linspace(0.5, 1.5, x.numel(), dtype=torch.float64).reshape(x.shape)
    return [list(x.shape), x.mean().item(), (x * weights).mean().item()]


def operations(_):
    """Those of `torchvision.ops` that are Python."""
    from torchvision import ops

    corners = draw("corners", 6, 2).abs() * 10
    boxes = torch.cat([corners, corners + 1 + draw("sizes", 6, 2).abs() * 5], 1).requires_grad_()
    other = boxes.detach().flip(0) + 0.5
    logits = draw("logits", 4, 3).requires_grad_()
    targets = (draw("targets", 4, 3) > 0).float()
    found = {
        "iou": ops.box_iou(boxes, other),
        "generalized": ops.generalized_box_iou(boxes, other),
        "distance": ops.distance_box_iou(boxes, other),
        "complete": ops.complete_box_iou(boxes, other),
        "giou loss": ops.generalized_box_iou_loss(boxes, other),
        "diou loss": ops.distance_box_iou_loss(boxes, other),
        "ciou loss": ops.complete_box_iou_loss(boxes, other),
        "area": ops.box_area(boxes),
        "convert": ops.box_convert(boxes, "xyxy", "cxcywh"),
        "clip": ops.clip_boxes_to_image(boxes, (12, 12)),
        "focal": ops.sigmoid_focal_loss(logits, targets, reduction="mean"),
    }
    result = {}
    for name, value in found.items():
        leaf = logits if name == "focal" else boxes
        (gradient,) = torch.autograd.grad(value.sum(), leaf, retain_graph=True)
        result[name] = [*summary(value.detach()), gradient.norm().item()]
    return result


for each in ("resnet18", "squeezenet1_1", "mobilenet_v3_small", "shufflenet_v2_x0_5"):
    model_case("torchvision", each, lambda n=each: torchvision_model(n))
numbers_case("torchvision", "transforms.v2", transforms)
numbers_case("torchvision", "ops", operations)
