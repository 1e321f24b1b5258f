"""A compiled step does what the eager one does, whatever Python does around it."""

import kuai
from kuai import nn
from tests.gpu.card import DEVICE, close, place


def _trained(compiled, steps=4):
    kuai.manual_seed(0)
    # a bias before a normalization has no gradient but rounding, which AdamW would make large
    first = nn.Linear(4, 8, bias=False)
    net = nn.Sequential(first, nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.2))
    net = net.append(nn.Linear(8, 3)).to(DEVICE)
    optimizer = kuai.optim.AdamW(net.parameters(), lr=0.01)
    scheduler = kuai.optim.lr_scheduler.StepLR(optimizer, 2, 0.5)
    x, y = kuai.randn(6, 4, device=DEVICE), kuai.arange(6, device=DEVICE) % 3

    def step():
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(net(x), y)
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        return loss.detach()

    step = kuai.compile(step) if compiled else step
    losses = []
    for _ in range(steps):
        losses.append(step())
        scheduler.step()
    return [*losses, *net.state_dict().values()]


def test_a_training_step():
    for ours, wanted in zip(_trained(True), _trained(False), strict=True):
        close(ours, wanted, 1e-3)


def test_changes_between_calls_are_seen():
    net = nn.Linear(2, 2).to(DEVICE)
    run = kuai.compile(lambda x: net(x))
    x = kuai.ones(1, 2, device=DEVICE)
    for _ in range(3):
        close(run(x), net(x))
        net.weight.data[0, 0] = 100
        net.bias.data *= 2


def test_arguments_on_another_device_are_computed_there():
    double = kuai.compile(lambda x: x * 2 + 1)
    for where in ("cpu", DEVICE, "cpu", DEVICE):
        out = double(kuai.ones(3, device=where))
        assert out.device == kuai.ones(1, device=where).device
        close(out, kuai.full((3,), 3.0))


def test_a_move_within_a_step():
    net = nn.Linear(3, 2).to(DEVICE)
    step = kuai.compile(lambda x: net(x.to(DEVICE)).sum().cpu() + 1)
    for factor in (1.0, 2.0, 3.0):
        x = kuai.full((2, 3), factor)
        close(step(x), net(x.to(DEVICE)).sum().cpu() + 1, 1e-4)


def test_views_within_a_step_know_where_they_lie():
    x, layer = kuai.randn(4, 6, device=DEVICE), nn.Linear(6, 6).to(DEVICE)
    target = kuai.arange(12, device=DEVICE) % 2

    def run():
        with kuai.autocast(x.device.type, dtype=kuai.bfloat16):
            scores = layer(x).reshape(2, 12).T.flatten(1, 1)
            loss = nn.functional.cross_entropy(scores, target)
        return loss, nn.functional.dropout(scores.float().T, 0.5)

    compiled = kuai.compile(run)
    for _ in range(3):
        kuai.manual_seed(1)
        (loss, dropped), wanted = compiled(), kuai.manual_seed(1) and run()
        close(loss, wanted[0], 1e-3)
        close(dropped, wanted[1], 1e-2)
        assert dropped.device == place()
