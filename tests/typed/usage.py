"""A program against the public interface; the type checker reads it, nothing runs it."""

import kuai
from kuai import nn
from kuai.nn import functional as F


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.hidden = nn.Linear(20, 256)
        self.out = nn.Linear(256, 10)

    def forward(self, X: kuai.Tensor) -> kuai.Tensor:
        return self.out(F.relu(self.hidden(X)))


net = Net()
optimizer = kuai.optim.SGD(net.parameters(), lr=0.1)
X = kuai.rand(32, 20)
target = kuai.zeros(32, dtype=kuai.int64)


@kuai.compile
def step(X: kuai.Tensor, target: kuai.Tensor) -> kuai.Tensor:
    optimizer.zero_grad()
    loss = F.cross_entropy(net(X), target)
    loss.backward()
    optimizer.step()
    return loss.detach()


value: float = step(X, target).item()
rows: kuai.Tensor = (X + 1).sum(dim=1).T @ X[:, 0]
