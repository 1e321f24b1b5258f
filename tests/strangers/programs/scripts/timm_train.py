"""Train a model of timm on a folder of pictures: mixup, EMA, scheduler, AMP, checkpoints."""

import argparse
import os
from collections import OrderedDict
from contextlib import suppress
from functools import partial

import torch
from timm import utils
from timm.data import (
    FastCollateMixup,
    Mixup,
    create_dataset,
    create_loader,
    resolve_data_config,
)
from timm.loss import LabelSmoothingCrossEntropy, SoftTargetCrossEntropy
from timm.models import (
    create_model,
    model_parameters,
    resume_checkpoint,
    safe_model_name,
)
from timm.optim import create_optimizer_v2
from timm.scheduler import create_scheduler_v2, scheduler_kwargs
from torch import nn

parser = argparse.ArgumentParser()
add = parser.add_argument
add("--data-dir")
add("--model", default="test_vit3")
add("--initial-checkpoint", default="")
add("--resume", default="")
add("--img-size", type=int, default=None)
add("-b", "--batch-size", type=int, default=4)
add("--opt", default="adamw")
add("--lr", type=float, default=1e-3)
add("--weight-decay", type=float, default=0.05)
add("--clip-grad", type=float, default=None)
add("--clip-mode", default="norm")
add("--layer-decay", type=float, default=None)
add("--sched", default="cosine")
add("--epochs", type=int, default=3)
add("--warmup-epochs", type=int, default=1)
add("--warmup-lr", type=float, default=1e-5)
add("--min-lr", type=float, default=1e-6)
add("--cooldown-epochs", type=int, default=0)
add("--sched-on-updates", action="store_true")
add("--mixup", type=float, default=0.0)
add("--cutmix", type=float, default=0.0)
add("--smoothing", type=float, default=0.1)
add("--aa", default=None)
add("--reprob", type=float, default=0.0)
add("--no-aug", action="store_true")
add("--no-prefetcher", action="store_true")
add("--model-ema", action="store_true")
add("--amp", action="store_true")
add("--grad-accum-steps", type=int, default=1)
add("--grad-checkpointing", action="store_true")
add("--torchcompile", action="store_true")
add("-j", "--workers", type=int, default=0)
add("--output", default="out")
add("--seed", type=int, default=42)
add("--device", default="cpu")


def main():
    utils.setup_default_logging()
    args = parser.parse_args()
    args.prefetcher = not args.no_prefetcher
    if torch.cuda.is_available():
        torch.backends.cuda.matmul.allow_tf32 = True
        torch.backends.cudnn.benchmark = True
    device = utils.init_distributed_device(args)
    assert args.rank >= 0
    utils.random_seed(args.seed, args.rank)
    model = create_model(
        args.model, num_classes=2, drop_rate=0.0, drop_path_rate=0.0,
        checkpoint_path=args.initial_checkpoint, **({"img_size": args.img_size} if args.img_size else {}),
    )  # fmt: skip
    if args.grad_checkpointing:
        model.set_grad_checkpointing(enable=True)
    count = sum(m.numel() for m in model.parameters())
    print(f"Model {safe_model_name(args.model)} created, param count:{count}")
    data_config = resolve_data_config(vars(args), model=model, verbose=False)
    model.to(device=device)
    optimizer = create_optimizer_v2(
        model,
        opt=args.opt,
        lr=args.lr,
        weight_decay=args.weight_decay,
        layer_decay=args.layer_decay,
    )
    amp_autocast = suppress
    loss_scaler = None
    if args.amp:
        amp_autocast = partial(torch.autocast, device_type=device.type, dtype=torch.bfloat16)
    start_epoch = 0
    if args.resume:
        start_epoch = resume_checkpoint(
            model, args.resume, optimizer=optimizer, loss_scaler=loss_scaler
        )
    model_ema = utils.ModelEmaV3(model, decay=0.9, use_warmup=False) if args.model_ema else None
    if args.torchcompile:
        model = torch.compile(model, backend="inductor")
    dataset_train = create_dataset("", root=args.data_dir, split="train", is_training=True)
    dataset_eval = create_dataset("", root=args.data_dir, split="val", is_training=False)
    collate_fn = mixup_fn = None
    mixup_active = args.mixup > 0 or args.cutmix > 0.0
    if mixup_active:
        mixup_args = dict(
            mixup_alpha=args.mixup,
            cutmix_alpha=args.cutmix,
            label_smoothing=args.smoothing,
            num_classes=2,
        )
        if args.prefetcher:
            collate_fn = FastCollateMixup(**mixup_args)
        else:
            mixup_fn = Mixup(**mixup_args)
    common = dict(
        input_size=data_config["input_size"], batch_size=args.batch_size, mean=data_config["mean"],
        std=data_config["std"], num_workers=args.workers, device=device,
        use_prefetcher=args.prefetcher, persistent_workers=args.workers > 0,
    )  # fmt: skip
    loader_train = create_loader(
        dataset_train, is_training=True, no_aug=args.no_aug, re_prob=args.reprob, re_mode="pixel",
        auto_augment=args.aa, interpolation="bilinear", collate_fn=collate_fn, **common,
    )  # fmt: skip
    loader_eval = create_loader(
        dataset_eval, is_training=False, interpolation=data_config["interpolation"],
        crop_pct=data_config["crop_pct"], **common,
    )  # fmt: skip
    if mixup_active:
        train_loss_fn = SoftTargetCrossEntropy()
    elif args.smoothing:
        train_loss_fn = LabelSmoothingCrossEntropy(smoothing=args.smoothing)
    else:
        train_loss_fn = nn.CrossEntropyLoss()
    train_loss_fn = train_loss_fn.to(device=device)
    validate_loss_fn = nn.CrossEntropyLoss().to(device=device)
    os.makedirs(args.output, exist_ok=True)
    saver = utils.CheckpointSaver(
        model=utils.unwrap_model(model), optimizer=optimizer, args=args, model_ema=model_ema,
        checkpoint_dir=args.output, recovery_dir=args.output, decreasing=False, max_history=2,
    )  # fmt: skip
    updates_per_epoch = (len(loader_train) + args.grad_accum_steps - 1) // args.grad_accum_steps
    lr_scheduler, num_epochs = create_scheduler_v2(
        optimizer,
        **scheduler_kwargs(args, decreasing_metric=False),
        updates_per_epoch=updates_per_epoch,
    )
    for epoch in range(start_epoch, num_epochs):
        train_metrics = train_one_epoch(
            epoch, model, loader_train, optimizer, train_loss_fn, args, lr_scheduler, amp_autocast,
            loss_scaler, model_ema, mixup_fn, device,
        )  # fmt: skip
        eval_metrics = validate(model, loader_eval, validate_loss_fn, args, device, amp_autocast)
        if model_ema is not None:
            ema = validate(model_ema, loader_eval, validate_loss_fn, args, device, amp_autocast)
            print(f"number ema {ema['loss']:.6g}")
        lrs = [param_group["lr"] for param_group in optimizer.param_groups]
        utils.update_summary(
            epoch, train_metrics, eval_metrics, filename=os.path.join(args.output, "summary.csv"),
            lr=sum(lrs) / len(lrs), write_header=epoch == 0, log_wandb=False,
        )  # fmt: skip
        best, best_epoch = saver.save_checkpoint(epoch, metric=eval_metrics["top1"])
        if lr_scheduler is not None:
            lr_scheduler.step(epoch + 1, eval_metrics["top1"])
        print(f"number loss {train_metrics['loss']:.6g}")
        print(f"number eval {eval_metrics['loss']:.6g}")
        print(f"number lr {sum(lrs) / len(lrs):.6g}")
    print(f"*** Best metric: {best} (epoch {best_epoch})")
    torch.save(utils.get_state_dict(model), os.path.join(args.output, "last_state.pth"))


def train_one_epoch(
    epoch, model, loader, optimizer, loss_fn, args, lr_scheduler, amp_autocast, loss_scaler,
    model_ema, mixup_fn, device,
):  # fmt: skip
    second_order = hasattr(optimizer, "is_second_order") and optimizer.is_second_order
    losses_m = utils.AverageMeter()
    model.train()
    num_updates = epoch * len(loader)
    optimizer.zero_grad()
    for batch_idx, (input, target) in enumerate(loader):
        need_update = (batch_idx + 1) % args.grad_accum_steps == 0 or batch_idx == len(loader) - 1
        if not args.prefetcher:
            input, target = input.to(device), target.to(device)
            if mixup_fn is not None:
                input, target = mixup_fn(input, target)
        with amp_autocast():
            loss = loss_fn(model(input), target)
        if args.grad_accum_steps > 1:
            loss /= args.grad_accum_steps
        if loss_scaler is not None:
            loss_scaler(
                loss, optimizer, clip_grad=args.clip_grad, clip_mode=args.clip_mode,
                parameters=model_parameters(model), create_graph=second_order, need_update=need_update,
            )  # fmt: skip
        else:
            loss.backward(create_graph=second_order)
            if need_update:
                if args.clip_grad is not None:
                    utils.dispatch_clip_grad(
                        model_parameters(model, exclude_head="agc" in args.clip_mode),
                        value=args.clip_grad, mode=args.clip_mode,
                    )  # fmt: skip
                optimizer.step()
        losses_m.update(loss.item() * args.grad_accum_steps, input.size(0))
        if not need_update:
            continue
        num_updates += 1
        optimizer.zero_grad()
        if model_ema is not None:
            model_ema.update(model, step=num_updates)
        if lr_scheduler is not None:
            lr_scheduler.step_update(num_updates=num_updates, metric=losses_m.avg)
    if hasattr(optimizer, "sync_lookahead"):
        optimizer.sync_lookahead()
    return OrderedDict([("loss", losses_m.avg)])


def validate(model, loader, loss_fn, args, device, amp_autocast):
    losses_m, top1_m = utils.AverageMeter(), utils.AverageMeter()
    model.eval()
    with torch.no_grad():
        for input, target in loader:
            if not args.prefetcher:
                input, target = input.to(device), target.to(device)
            with amp_autocast():
                output = model(input)
                if isinstance(output, (tuple, list)):
                    output = output[0]
                loss = loss_fn(output, target)
            acc1, _ = utils.accuracy(output, target, topk=(1, 2))
            losses_m.update(loss.data.item(), input.size(0))
            top1_m.update(acc1.item(), output.size(0))
    return OrderedDict([("loss", losses_m.avg), ("top1", top1_m.avg)])


if __name__ == "__main__":
    main()
