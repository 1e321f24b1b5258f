"""torchvision: one small model of each file of `torchvision.models`: forward, backward, a step."""

import torch
import torchvision
from casekit import case, train
from torchvision.models.feature_extraction import create_feature_extractor, get_graph_node_names

SIZES = {"inception_v3": 299, "vit_b_32": 224, "maxvit_t": 224, "alexnet": 64}
CLASSIFIERS = (
    "alexnet", "convnext_tiny", "densenet121", "efficientnet_b0", "efficientnet_v2_s", "googlenet",
    "inception_v3", "maxvit_t", "mnasnet0_5", "mobilenet_v2", "mobilenet_v3_small",
    "regnet_y_400mf", "resnet18", "resnext50_32x4d", "wide_resnet50_2", "shufflenet_v2_x0_5",
    "squeezenet1_1", "swin_t", "swin_v2_t", "vgg11", "vit_b_32",
)  # fmt: skip


def logits(output):
    return output.logits if hasattr(output, "logits") else output


def classifier(name):
    kwargs = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
    model = torchvision.models.get_model(name, num_classes=3, **kwargs)
    size = SIZES.get(name, 64)
    target = torch.tensor([0, 1])
    loss = torch.nn.CrossEntropyLoss()
    train(model, torch.randn(2, 3, size, size), lambda out: loss(logits(out), target), steps=1)


def segmentation(name):
    model = torchvision.models.get_model(
        name, weights=None, weights_backbone=None, num_classes=2, aux_loss=None
    )
    train(model, torch.randn(2, 3, 48, 48), lambda out: out["out"].square().mean(), steps=1)


def video():
    model = torchvision.models.video.r3d_18(num_classes=2)
    train(model, torch.randn(1, 3, 4, 32, 32), lambda out: out.square().mean(), steps=1)


def optical_flow():
    model = torchvision.models.optical_flow.raft_small().eval()
    first, second = torch.rand(2, 1, 3, 128, 128)
    with torch.no_grad():
        assert model(first, second, num_flow_updates=2)[-1].shape == (1, 2, 128, 128)


def detection(name):
    sizes = {} if name.startswith("ssd") else {"min_size": 96, "max_size": 96}
    model = torchvision.models.get_model(
        name, weights=None, weights_backbone=None, num_classes=3, **sizes
    )
    images = list(torch.rand(2, 3, 96, 96))  # of one, BatchNorm would see single values
    target = {"boxes": torch.tensor([[8.0, 8.0, 60.0, 60.0]]), "labels": torch.tensor([1])}
    targets = [target, target]
    losses = model(images, targets)
    sum(losses.values()).backward()
    model.eval()
    with torch.no_grad():
        assert set(model(images)[0]) >= {"boxes", "scores", "labels"}


def features():
    model = torchvision.models.resnet18()
    train_names, eval_names = get_graph_node_names(model)
    assert train_names == eval_names and "layer4.1.relu_1" in eval_names
    body = create_feature_extractor(model, {"layer1": "low", "layer4": "high"})
    out = body(torch.randn(1, 3, 64, 64))
    assert out["low"].shape == (1, 64, 16, 16) and out["high"].shape == (1, 512, 2, 2)


def transforms():
    from torchvision.transforms import v2

    image = torch.randint(0, 256, (3, 40, 40), dtype=torch.uint8)
    steps = v2.Compose(
        [
            v2.RandomResizedCrop(24, antialias=True),
            v2.RandomHorizontalFlip(),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(mean=[0.5] * 3, std=[0.5] * 3),
        ]
    )
    assert steps(image).shape == (3, 24, 24)


def boxes():
    from torchvision import ops

    boxes = torch.tensor([[0.0, 0, 10, 10], [1, 1, 11, 11], [20, 20, 30, 30]])
    scores = torch.tensor([0.5, 0.9, 0.3])
    assert ops.nms(boxes, scores, 0.5).tolist() == [1, 2]
    assert ops.box_iou(boxes, boxes).shape == (3, 3)
    x = torch.rand(1, 2, 16, 16, requires_grad=True)
    pooled = ops.roi_align(x, [boxes[:1]], output_size=4)
    assert pooled.shape == (1, 2, 4, 4)
    pooled.sum().backward()


for each in CLASSIFIERS:
    case(each, classifier, each)
for each in ("fcn_resnet50", "deeplabv3_mobilenet_v3_large", "lraspp_mobilenet_v3_large"):
    case(each, segmentation, each)
case("r3d_18", video)
case("raft_small", optical_flow)
for each in ("ssdlite320_mobilenet_v3_large", "retinanet_resnet50_fpn", "fasterrcnn_resnet50_fpn"):
    case(each, detection, each)
case("feature_extraction", features)
case("transforms.v2", transforms)
case("ops", boxes)
