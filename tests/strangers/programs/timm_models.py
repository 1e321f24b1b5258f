"""timm: small variants of its architectures: forward, backward, a step, features."""

import timm
import timm.optim
import torch
from casekit import case, train

NAMES = (
    "beit_base_patch16_224", "botnet26t_256", "cait_xxs24_224", "coat_lite_tiny",
    "coatnet_nano_rw_224",
    "convit_tiny", "convmixer_768_32", "convnext_atto", "convnextv2_atto", "crossvit_tiny_240",
    "cspresnet50", "davit_tiny", "deit_tiny_patch16_224", "densenet121", "dla34", "dpn48b",
    "edgenext_xx_small", "efficientformer_l1", "efficientformerv2_s0", "efficientnet_b0",
    "efficientvit_b0", "efficientvit_m0", "eva02_tiny_patch14_224", "fasternet_t0", "fastvit_t8",
    "focalnet_tiny_srf", "gcvit_xxtiny", "ghostnet_050", "ghostnetv2_100", "hardcorenas_a",
    "hgnetv2_b0", "hiera_tiny_224", "hrnet_w18_small", "inception_next_atto", "inception_v3",
    "inception_resnet_v2", "inception_v4", "legacy_xception", "levit_128s", "lcnet_035",
    "mambaout_femto", "maxvit_rmlp_pico_rw_256", "mixer_s32_224", "mixnet_s", "mnasnet_small",
    "mobilenetv3_small_050", "mobilenetv4_conv_small", "mobileone_s0", "mobilevit_xxs",
    "mobilevitv2_050", "mvitv2_tiny", "nasnetalarge", "nest_tiny", "nextvit_small", "nf_resnet26",
    "pit_ti_224", "pnasnet5large", "poolformer_s12", "pvt_v2_b0", "regnetx_002", "regnety_002",
    "repghostnet_050", "repvgg_a0", "repvit_m0_9", "res2net50_14w_8s", "resmlp_12_224",
    "resnest14d",
    "resnet10t", "resnetv2_50", "rexnetr_200", "rdnet_tiny", "selecsls42", "seresnet18",
    "sequencer2d_s", "shvit_s1", "skresnet18", "starnet_s1", "swiftformer_xs",
    "swin_tiny_patch4_window7_224", "swinv2_tiny_window8_256", "swinv2_cr_tiny_224",
    "test_byobnet", "test_convnext", "test_efficientnet", "test_mambaout", "test_nfnet",
    "test_resnet", "test_vit", "test_vit2", "tiny_vit_5m_224", "tinynet_e", "tnt_s_patch16_224",
    "tresnet_m", "twins_svt_small", "vgg11", "visformer_tiny", "vit_tiny_patch16_224",
    "vitamin_small_224",
    "volo_d1_224", "vovnet39a", "xception41", "xcit_nano_12_p16_224",
)  # fmt: skip
QUICK = ("test_vit", "test_resnet", "test_efficientnet", "test_convnext")


def model(name):
    net = timm.create_model(name, num_classes=3)
    size = net.default_cfg.get("input_size", (3, 224, 224))
    target = torch.tensor([0, 1])
    loss = torch.nn.CrossEntropyLoss()
    train(net, torch.randn(2, *size), lambda out: loss(out, target), steps=1)


def built(name):
    net = timm.create_model(name, num_classes=3)
    assert sum(p.numel() for p in net.parameters()) > 1000


def features():
    net = timm.create_model("test_resnet", features_only=True)
    shapes = [out.shape[1] for out in net(torch.randn(1, 3, 64, 64))]
    assert shapes == net.feature_info.channels()


def optimizer(name):
    net = torch.nn.Linear(3, 2)
    opt = timm.optim.create_optimizer_v2(net, opt=name, lr=1e-2)
    for _ in range(3):
        opt.zero_grad()
        net(torch.ones(4, 3)).square().sum().backward()
        opt.step()
    assert torch.isfinite(net.weight).all()


for each in QUICK:
    case(each, model, each)
case("features_only", features)
for each in ("adamw", "lamb", "lion", "adafactor", "adan", "nadamw", "madgrad", "muon"):
    case(f"optim.{each}", optimizer, each)
for each in NAMES:
    if each not in QUICK:
        case(f"built {each}", built, each)
for each in NAMES:
    if each not in QUICK:
        case(each, model, each)
