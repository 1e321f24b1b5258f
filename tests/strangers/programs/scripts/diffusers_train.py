"""An unconditional diffusion model on a folder of pictures, and pictures drawn with it."""

import argparse
import os

import numpy as np
import torch
import torch.nn.functional as F
from accelerate import Accelerator
from accelerate.utils import ProjectConfiguration
from datasets import load_dataset
from diffusers import DDIMScheduler, DDPMPipeline, DDPMScheduler, UNet2DModel
from diffusers.optimization import get_scheduler
from diffusers.training_utils import EMAModel
from prepare import draw_weights
from torchvision import transforms
from tqdm.auto import tqdm


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--train_data_dir")
    parser.add_argument("--output_dir")
    parser.add_argument("--resolution", type=int, default=16)
    parser.add_argument("--train_batch_size", type=int, default=8)
    parser.add_argument("--num_epochs", type=int, default=2)
    args = parser.parse_args()
    accelerator = Accelerator(
        gradient_accumulation_steps=1, mixed_precision="no", cpu=True,
        project_config=ProjectConfiguration(project_dir=args.output_dir),
    )  # fmt: skip
    model = UNet2DModel(
        sample_size=args.resolution, in_channels=3, out_channels=3, layers_per_block=1,
        norm_num_groups=4, block_out_channels=(8, 16), down_block_types=("DownBlock2D", "AttnDownBlock2D"),
        up_block_types=("AttnUpBlock2D", "UpBlock2D"),
    )  # fmt: skip
    draw_weights(model)
    ema_model = EMAModel(
        model.parameters(), decay=0.99, use_ema_warmup=True, inv_gamma=1.0, power=0.75,
        model_cls=UNet2DModel, model_config=model.config,
    )  # fmt: skip
    noise_scheduler = DDPMScheduler(num_train_timesteps=50, beta_schedule="linear")
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=1e-3, betas=(0.95, 0.999), weight_decay=1e-6
    )
    dataset = load_dataset(
        "imagefolder",
        data_dir=args.train_data_dir,
        split="train",
        cache_dir=args.output_dir + "/cache",
    )
    augmentations = transforms.Compose(
        [
            transforms.Resize(args.resolution, interpolation=transforms.InterpolationMode.BILINEAR),
            transforms.CenterCrop(args.resolution),
            transforms.ToTensor(),
            transforms.Normalize([0.5], [0.5]),
        ]
    )

    def transform_images(examples):
        return {"input": [augmentations(image.convert("RGB")) for image in examples["image"]]}

    dataset.set_transform(transform_images)
    loader = torch.utils.data.DataLoader(dataset, batch_size=args.train_batch_size)
    lr_scheduler = get_scheduler(
        "cosine", optimizer=optimizer, num_warmup_steps=2,
        num_training_steps=len(loader) * args.num_epochs,
    )  # fmt: skip
    model, optimizer, loader, lr_scheduler = accelerator.prepare(
        model, optimizer, loader, lr_scheduler
    )
    ema_model.to(accelerator.device)
    rng = np.random.default_rng(3)
    global_step = 0
    for epoch in range(args.num_epochs):
        model.train()
        progress = tqdm(total=len(loader), disable=not accelerator.is_local_main_process)
        for batch in loader:
            clean = batch["input"]
            noise = torch.from_numpy(rng.standard_normal(tuple(clean.shape)).astype("float32"))
            timesteps = torch.from_numpy(rng.integers(0, 50, clean.shape[0])).long()
            noisy = noise_scheduler.add_noise(clean, noise, timesteps)
            with accelerator.accumulate(model):
                loss = F.mse_loss(model(noisy, timesteps).sample.float(), noise.float())
                accelerator.backward(loss)
                if accelerator.sync_gradients:
                    accelerator.clip_grad_norm_(model.parameters(), 1.0)
                optimizer.step()
                lr_scheduler.step()
                optimizer.zero_grad()
            if accelerator.sync_gradients:
                ema_model.step(model.parameters())
                progress.update(1)
                global_step += 1
            print(f"number loss {loss.detach().item():.6g}")
    unet = accelerator.unwrap_model(model)
    ema_model.store(unet.parameters())
    ema_model.copy_to(unet.parameters())
    pipeline = DDPMPipeline(unet=unet, scheduler=noise_scheduler)
    images = pipeline(
        generator=torch.Generator(device=pipeline.device).manual_seed(0), batch_size=2,
        num_inference_steps=4, output_type="np",
    ).images  # fmt: skip
    assert images.shape == (2, args.resolution, args.resolution, 3) and np.isfinite(images).all()
    ema_model.restore(unet.parameters())
    pipeline.save_pretrained(args.output_dir)
    again = DDPMPipeline.from_pretrained(args.output_dir)
    sampler = DDIMScheduler.from_config(again.scheduler.config)
    sampler.set_timesteps(3)
    sample = torch.from_numpy(rng.standard_normal((1, 3, 16, 16)).astype("float32"))
    with torch.no_grad():
        for t in sampler.timesteps:
            sample = sampler.step(again.unet(sample, t).sample, t, sample).prev_sample
    print(f"number sampled {sample.abs().mean().item():.5g}")
    assert os.path.exists(os.path.join(args.output_dir, "unet"))


if __name__ == "__main__":
    main()
