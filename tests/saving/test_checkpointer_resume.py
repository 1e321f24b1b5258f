"""A resumed run is the uninterrupted one, bit for bit: losses, weights, everything."""

import random

import numpy as np
import pytest

import kuai
from kuai import nn

EPOCHS, SAMPLES, BATCH = 3, 20, 6


def make_step(net, optimizer, compiled):
    @kuai.compile(disable=not compiled)
    def step(inputs, labels):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(net(inputs), labels)
        loss.backward()
        optimizer.step()
        return loss

    return step


class Run:
    """A small training job with everything in it that has state."""

    def __init__(self, folder, compiled, asynchronous):
        kuai.manual_seed(0)
        random.seed(0)
        np.random.seed(0)
        self.net = nn.Sequential(
            nn.Linear(5, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.3), nn.Linear(16, 3)
        )
        self.optimizer = kuai.optim.Adam(self.net.parameters(), lr=0.05)
        self.scheduler = kuai.optim.lr_scheduler.StepLR(self.optimizer, step_size=1, gamma=0.5)
        inputs, labels = kuai.randn(SAMPLES, 5), kuai.randint(0, 3, (SAMPLES,))
        dataset = kuai.data.TensorDataset(inputs, labels)
        self.loader = kuai.data.DataLoader(dataset, batch_size=BATCH, shuffle=True)
        self.losses = []
        self.step = make_step(self.net, self.optimizer, compiled)
        self.checkpoints = kuai.Checkpointer(
            folder,
            asynchronous=asynchronous,
            model=self.net,
            optimizer=self.optimizer,
            scheduler=self.scheduler,
            batches=self.loader,
            losses=self.losses,
        )

    def train(self, stop=None, every=1):
        """Train to the end, or until step `stop`; save at every `every`th step."""
        while self.loader.epoch < EPOCHS:
            for inputs, labels in self.loader:
                noise = random.random() + np.random.random()
                loss = self.step(inputs + 0.01 * noise, labels)
                self.losses.append(loss.item())
                if len(self.losses) % every == 0:
                    self.checkpoints.save(len(self.losses))
                if len(self.losses) == stop:
                    return
            self.scheduler.step()
        self.checkpoints.close()

    def weights(self):
        return {name: tensor.numpy() for name, tensor in self.net.state_dict().items()}


@pytest.mark.parametrize("compiled", [True, False])
def test_resumed_is_uninterrupted(tmp_path, compiled):
    whole = Run(tmp_path / "whole", compiled, asynchronous=True)
    whole.train()
    assert len(whole.losses) == EPOCHS * 4
    for stop, asynchronous in ((1, True), (3, False), (4, True), (6, True), (11, False)):
        folder = tmp_path / str(stop)
        Run(folder, compiled, asynchronous).train(stop)
        resumed = Run(folder, compiled, asynchronous)
        assert resumed.checkpoints.restore() == stop
        resumed.train()
        assert resumed.losses == whole.losses
        for name, array in resumed.weights().items():
            np.testing.assert_array_equal(array, whole.weights()[name], err_msg=name)


@pytest.mark.parametrize("compiled", [True, False])
def test_saving_leaves_no_trace(tmp_path, compiled):
    """The run is the same whether or not, and however, it is saved."""
    found = []
    for name, asynchronous, every in (("a", True, 1), ("b", False, 2), ("c", True, 1000)):
        run = Run(tmp_path / name, compiled, asynchronous)
        run.train(every=every)
        found.append(run.losses)
    assert found[0] == found[1] == found[2]


def test_restoring_within_a_run(tmp_path):
    """Back to an earlier checkpoint, and the same steps again: nothing of the present stays."""
    run = Run(tmp_path, compiled=True, asynchronous=True)
    run.checkpoints.keep = None
    run.train()
    first = list(run.losses)
    assert run.checkpoints.restore(5) == 5
    assert run.losses == first[:5]
    for step in range(6, 13):
        run.checkpoints.delete(step)
    run.train()
    assert run.losses == first


def test_a_snapshot_is_of_its_moment(tmp_path):
    """Compiled steps reuse the memory of weights, but not of weights that are being written."""
    net = nn.Linear(300, 300)
    optimizer = kuai.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)

    @kuai.compile
    def step(inputs):
        optimizer.zero_grad()
        net(inputs).square().mean().backward()
        optimizer.step()

    inputs = kuai.randn(8, 300)
    checkpoints = kuai.Checkpointer(tmp_path, keep=None, model=net, optimizer=optimizer)
    expected = {}
    for number in range(12):
        step(inputs)
        expected[number] = net.weight.detach().clone().numpy()
        checkpoints.save(number)
        for _ in range(3):
            step(inputs)
    checkpoints.close()
    for number, array in expected.items():
        checkpoints.restore(number)
        np.testing.assert_array_equal(net.weight.detach().numpy(), array)
