"""A LightningModule with a data module, callbacks, a logger, a schedule and checkpoints."""

import sys

import lightning as L
import numpy as np
import torch
import torch.nn.functional as F
import torchmetrics
from lightning.pytorch.callbacks import EarlyStopping, LearningRateMonitor, ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Data(L.LightningDataModule):
    def setup(self, stage):
        rng = np.random.default_rng(0)
        x = rng.standard_normal((48, 6)).astype("float32")
        y = (x[:, 0] + x[:, 1] > 0).astype("int64")
        both = torch.from_numpy(x), torch.from_numpy(y)
        self.train = TensorDataset(*(each[:32] for each in both))
        self.val = TensorDataset(*(each[32:] for each in both))

    def train_dataloader(self):
        return DataLoader(self.train, batch_size=8)

    def val_dataloader(self):
        return DataLoader(self.val, batch_size=8)


class Classifier(L.LightningModule):
    def __init__(self, width=8, lr=1e-2):
        super().__init__()
        self.save_hyperparameters()
        self.net = nn.Sequential(
            nn.Linear(6, width), nn.GELU(), nn.BatchNorm1d(width), nn.Linear(width, 2)
        )
        self.accuracy = torchmetrics.Accuracy(task="multiclass", num_classes=2)
        rng = np.random.default_rng(1)
        for p in self.net.parameters():
            p.data = torch.from_numpy(rng.standard_normal(p.shape).astype("float32") * 0.4)

    def forward(self, x):
        return self.net(x)

    def training_step(self, batch, batch_idx):
        x, y = batch
        loss = F.cross_entropy(self(x), y)
        self.log("train_loss", loss, on_step=True, on_epoch=True, prog_bar=True)
        return loss

    def validation_step(self, batch, batch_idx):
        x, y = batch
        logits = self(x)
        self.accuracy(logits, y)
        self.log("val_loss", F.cross_entropy(logits, y), prog_bar=True)
        self.log("val_acc", self.accuracy, on_epoch=True)

    def predict_step(self, batch, batch_idx):
        return self(batch[0]).argmax(1)

    def configure_optimizers(self):
        optimizer = torch.optim.AdamW(self.parameters(), lr=self.hparams.lr)
        scheduler = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, max_lr=0.05, total_steps=self.trainer.estimated_stepping_batches
        )
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": scheduler, "interval": "step"},
        }


def main(folder):
    L.seed_everything(7)
    model, data = Classifier(), Data()
    saver = ModelCheckpoint(monitor="val_loss", save_top_k=1, save_last=True, dirpath=folder)
    trainer = L.Trainer(
        max_epochs=4, accelerator="cpu", devices=1, default_root_dir=folder, gradient_clip_val=1.0,
        accumulate_grad_batches=2, enable_progress_bar=False, log_every_n_steps=1,
        callbacks=[saver, LearningRateMonitor("step"), EarlyStopping("val_loss", patience=5)],
        logger=CSVLogger(folder),
    )  # fmt: skip
    trainer.fit(model, datamodule=data)
    for name in ("train_loss_epoch", "val_loss", "val_acc"):
        print(f"number {name} {trainer.callback_metrics[name].item():.6g}")
    again = Classifier.load_from_checkpoint(saver.best_model_path)
    (found,) = trainer.validate(again, datamodule=data, verbose=False)
    print(f"number best {found['val_loss']:.6g}")
    predicted = trainer.predict(again, dataloaders=data.val_dataloader())
    print("number predicted", torch.cat(predicted).sum().item())
    resumed = L.Trainer(
        max_epochs=6, accelerator="cpu", enable_progress_bar=False, logger=False,
        default_root_dir=folder, enable_checkpointing=False, precision="bf16-mixed",
    )  # fmt: skip
    resumed.fit(Classifier(), datamodule=data, ckpt_path=None)
    assert resumed.global_step == 24


if __name__ == "__main__":
    main(sys.argv[1])
