"""A classifier of pictures as in torchvision's references: meters, warm-up, EMA, resuming."""

import argparse
import datetime
import os
import time
from collections import defaultdict, deque

import torch
import torch.distributed as dist
import torch.utils.data
import torchvision
from torch import nn
from torch.utils.data.dataloader import default_collate
from torchvision.transforms import v2
from torchvision.transforms.functional import InterpolationMode


class SmoothedValue:
    def __init__(self, window_size=20, fmt=None):
        self.fmt = fmt or "{median:.4f} ({global_avg:.4f})"
        self.deque, self.total, self.count = deque(maxlen=window_size), 0.0, 0

    def update(self, value, n=1):
        self.deque.append(value)
        self.count += n
        self.total += value * n

    @property
    def median(self):
        return torch.tensor(list(self.deque)).median().item()

    @property
    def global_avg(self):
        return self.total / self.count

    @property
    def value(self):
        return self.deque[-1]

    def __str__(self):
        return self.fmt.format(median=self.median, global_avg=self.global_avg, value=self.value)


class MetricLogger:
    def __init__(self, delimiter="  "):
        self.meters, self.delimiter = defaultdict(SmoothedValue), delimiter

    def update(self, **kwargs):
        for k, v in kwargs.items():
            if isinstance(v, torch.Tensor):
                v = v.item()
            assert isinstance(v, (float, int))
            self.meters[k].update(v)

    def __getattr__(self, attr):
        if attr in self.meters:
            return self.meters[attr]
        raise AttributeError(attr)

    def log_every(self, iterable, print_freq, header=""):
        start = time.time()
        for i, obj in enumerate(iterable):
            yield obj
            if i % print_freq == 0:
                meters = self.delimiter.join(f"{n}: {m}" for n, m in self.meters.items())
                print(f"{header} [{i}/{len(iterable)}] {meters}")
        print(f"{header} Total time: {datetime.timedelta(seconds=int(time.time() - start))}")


class ExponentialMovingAverage(torch.optim.swa_utils.AveragedModel):
    def __init__(self, model, decay, device="cpu"):
        def ema_avg(avg_model_param, model_param, num_averaged):
            return decay * avg_model_param + (1 - decay) * model_param

        super().__init__(model, device, ema_avg, use_buffers=True)


def accuracy(output, target, topk=(1,)):
    with torch.inference_mode():
        maxk = max(topk)
        _, pred = output.topk(maxk, 1, True, True)
        correct = pred.t().eq(target[None])
        return [
            correct[:k].flatten().sum(dtype=torch.float32) * (100.0 / target.size(0)) for k in topk
        ]


def set_weight_decay(model, weight_decay, norm_weight_decay=None, custom_keys=None):
    norm_classes = (nn.modules.batchnorm._BatchNorm, nn.LayerNorm, nn.GroupNorm)
    params = {"other": [], "norm": []}
    params_weight_decay = {"other": weight_decay, "norm": norm_weight_decay}

    def _add_params(module):
        for p in module.parameters(recurse=False):
            if p.requires_grad:
                params["norm" if isinstance(module, norm_classes) else "other"].append(p)
        for child in module.children():
            _add_params(child)

    _add_params(model)
    return [{"params": p, "weight_decay": params_weight_decay[k]} for k, p in params.items() if p]


def train_one_epoch(model, criterion, optimizer, loader, device, epoch, args, ema, scaler):
    model.train()
    logger = MetricLogger()
    logger.meters["lr"] = SmoothedValue(window_size=1, fmt="{value}")
    for i, (image, target) in enumerate(logger.log_every(loader, 1, f"Epoch: [{epoch}]")):
        image, target = image.to(device), target.to(device)
        with torch.amp.autocast("cpu", enabled=scaler is not None):
            output = model(image)
            loss = criterion(output, target)
        optimizer.zero_grad()
        if scaler is not None:
            scaler.scale(loss).backward()
            scaler.unscale_(optimizer)
            nn.utils.clip_grad_norm_(model.parameters(), args.clip_grad_norm)
            scaler.step(optimizer)
            scaler.update()
        else:
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), args.clip_grad_norm)
            optimizer.step()
        if ema and i % args.ema_steps == 0:
            ema.update_parameters(model)
        hard = target.argmax(1) if target.ndim == 2 else target
        (acc1,) = accuracy(output, hard)
        logger.update(loss=loss.item(), lr=optimizer.param_groups[0]["lr"])
        logger.meters["acc1"].update(acc1.item(), n=image.shape[0])
    print(f"number loss {logger.loss.global_avg:.6g}")
    print(f"number lr {logger.lr.value:.6g}")


def evaluate(model, criterion, loader, device, log_suffix=""):
    model.eval()
    logger = MetricLogger()
    with torch.inference_mode():
        for image, target in logger.log_every(loader, 10, f"Test: {log_suffix}"):
            image = image.to(device, non_blocking=True)
            target = target.to(device, non_blocking=True)
            output = model(image)
            logger.update(loss=criterion(output, target).item())
            logger.meters["acc1"].update(accuracy(output, target)[0].item(), n=image.shape[0])
    print(f"number eval{log_suffix} {logger.loss.global_avg:.6g}")
    return logger.acc1.global_avg


def load_data(args):
    normal = [
        v2.PILToTensor(), v2.ToDtype(torch.float, scale=True),
        v2.Normalize(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)), v2.ToPureTensor(),
    ]  # fmt: skip
    augment = [
        v2.RandomResizedCrop(32, antialias=True),
        v2.RandomHorizontalFlip(0.5),
        v2.TrivialAugmentWide(),
    ]
    size = [v2.Resize(36, InterpolationMode.BILINEAR, antialias=True), v2.CenterCrop(32)]
    train = v2.Compose([*(augment if args.augment else size), *normal])
    dataset = torchvision.datasets.ImageFolder(os.path.join(args.data_path, "train"), train)
    dataset_test = torchvision.datasets.ImageFolder(
        os.path.join(args.data_path, "val"), v2.Compose([*size, *normal])
    )
    return (
        dataset, dataset_test, torch.utils.data.RandomSampler(dataset),
        torch.utils.data.SequentialSampler(dataset_test),
    )  # fmt: skip


def main(args):
    os.makedirs(args.output_dir, exist_ok=True)
    torch.use_deterministic_algorithms(True) if args.deterministic else None
    distributed = "RANK" in os.environ
    if distributed:
        dist.init_process_group("gloo")
    device = torch.device(args.device)
    dataset, dataset_test, train_sampler, test_sampler = load_data(args)
    collate_fn = None
    num_classes = len(dataset.classes)
    if args.mixup_alpha:
        mix = v2.RandomChoice(
            [
                v2.MixUp(alpha=args.mixup_alpha, num_classes=num_classes),
                v2.CutMix(alpha=1.0, num_classes=num_classes),
            ]
        )

        def collate_fn(batch):
            return mix(*default_collate(batch))

    loader = torch.utils.data.DataLoader(
        dataset, batch_size=args.batch_size, sampler=train_sampler, num_workers=args.workers,
        pin_memory=True, collate_fn=collate_fn,
    )  # fmt: skip
    loader_test = torch.utils.data.DataLoader(
        dataset_test, batch_size=args.batch_size, sampler=test_sampler, pin_memory=True
    )
    model = torchvision.models.get_model(args.model, weights=None, num_classes=num_classes)
    if args.weights:
        model.load_state_dict(torch.load(args.weights, map_location="cpu", weights_only=True))
    model.to(device)
    criterion = nn.CrossEntropyLoss(label_smoothing=args.label_smoothing)
    parameters = set_weight_decay(model, args.weight_decay, 0.0)
    if args.opt == "sgd":
        optimizer = torch.optim.SGD(parameters, lr=args.lr, momentum=0.9, nesterov=True)
    else:
        optimizer = torch.optim.RMSprop(parameters, lr=args.lr, momentum=0.9, eps=0.0316, alpha=0.9)
    scaler = torch.amp.GradScaler("cpu") if args.amp else None
    main_lr = torch.optim.lr_scheduler.CosineAnnealingLR(
        optimizer, T_max=args.epochs - args.lr_warmup_epochs, eta_min=1e-5
    )
    warmup = torch.optim.lr_scheduler.LinearLR(
        optimizer, start_factor=0.1, total_iters=args.lr_warmup_epochs
    )
    lr_scheduler = torch.optim.lr_scheduler.SequentialLR(
        optimizer, schedulers=[warmup, main_lr], milestones=[args.lr_warmup_epochs]
    )
    model_without_ddp = model
    if distributed:
        model = torch.nn.parallel.DistributedDataParallel(model)
        model_without_ddp = model.module
    ema = ExponentialMovingAverage(model_without_ddp, decay=0.5) if args.model_ema else None
    start_epoch = 0
    if args.resume:
        checkpoint = torch.load(args.resume, map_location="cpu", weights_only=False)
        model_without_ddp.load_state_dict(checkpoint["model"])
        optimizer.load_state_dict(checkpoint["optimizer"])
        lr_scheduler.load_state_dict(checkpoint["lr_scheduler"])
        start_epoch = checkpoint["epoch"] + 1
        if ema:
            ema.load_state_dict(checkpoint["model_ema"])
        if scaler:
            scaler.load_state_dict(checkpoint["scaler"])
    for epoch in range(start_epoch, args.epochs):
        if distributed:
            train_sampler.set_epoch(epoch)
        train_one_epoch(model, criterion, optimizer, loader, device, epoch, args, ema, scaler)
        lr_scheduler.step()
        evaluate(model, criterion, loader_test, device)
        if ema:
            evaluate(ema, criterion, loader_test, device, log_suffix="_ema")
        checkpoint = {
            "model": model_without_ddp.state_dict(), "optimizer": optimizer.state_dict(),
            "lr_scheduler": lr_scheduler.state_dict(), "epoch": epoch, "args": args,
        }  # fmt: skip
        if ema:
            checkpoint["model_ema"] = ema.state_dict()
        if scaler:
            checkpoint["scaler"] = scaler.state_dict()
        torch.save(checkpoint, os.path.join(args.output_dir, f"model_{epoch}.pth"))


def get_args_parser():
    parser = argparse.ArgumentParser()
    add = parser.add_argument
    add("--data-path")
    add("--model", default="resnet18")
    add("--weights")
    add("--device", default="cpu")
    add("-b", "--batch-size", default=16, type=int)
    add("--epochs", default=3, type=int)
    add("-j", "--workers", default=0, type=int)
    add("--opt", default="sgd")
    add("--lr", default=0.02, type=float)
    add("--weight-decay", default=1e-4, type=float)
    add("--label-smoothing", default=0.1, type=float)
    add("--mixup-alpha", default=0.0, type=float)
    add("--lr-warmup-epochs", default=1, type=int)
    add("--clip-grad-norm", default=5.0, type=float)
    add("--ema-steps", default=1, type=int)
    add("--model-ema", action="store_true")
    add("--amp", action="store_true")
    add("--augment", action="store_true")
    add("--deterministic", action="store_true")
    add("--resume", default="")
    add("--output-dir", default=".")
    return parser


if __name__ == "__main__":
    main(get_args_parser().parse_args())
