# The code of the notes "torch.nn 总览 & nn.Linear & 常用激活函数", and what their lists name.

# %% setup
import torch
from torch import nn
import torch.nn.functional as F

# %% the classes of torch.nn, one of each kind
print(nn.Module())
print(nn.Conv2d(3, 16, 3, stride=2, padding=1))
print(nn.MaxPool2d(2))
print(nn.ReLU())
print(nn.BatchNorm2d(16))
print(nn.LSTM(8, 16, num_layers=2, batch_first=True))
print(nn.TransformerEncoder(nn.TransformerEncoderLayer(16, 4, 32, batch_first=True), 2))
print(nn.Linear(10, 1))
print(nn.Dropout(0.5))
print(nn.Embedding(10, 3))
print(nn.Upsample(scale_factor=2))
print(nn.DataParallel(nn.Linear(10, 1)))

# %% the utilities
w = nn.Parameter(torch.ones(3))
(w * torch.tensor([-2., 0.1, 3.])).sum().backward()
nn.utils.clip_grad_value_([w], 1.0)
print(w.grad)

# %% dropout as a layer
class Simple(nn.Module):
    def __init__(self):
        super(Simple, self).__init__()
        self.fc = nn.Linear(10, 1)
        self.dropout = nn.Dropout(0.5) # 使用 nn.Dropout 类

    def forward(self, x):
        x = self.fc(x)
        x = self.dropout(x)
        return x
simple = Simple()
print(simple)

# %% dropout as a function
class Simple2(nn.Module):
    def __init__(self):
        super(Simple2, self).__init__()
        self.fc = nn.Linear(10, 1)

    def forward(self, x):
        x = F.dropout(self.fc(x)) # 使用 nn.functional.dropout,不能被识别
        return x
simple2 = Simple2()
print(simple2)

# %% train and eval switch the layer, not the function
x = torch.rand(5, 10)
simple.eval()
print(simple.dropout.training, simple(x))
simple.train()
print(simple.dropout.training, simple(x).shape, simple2.eval()(x).shape)

# %% the linear layer
input_size, output_size = 6, 4
fc = nn.Linear(input_size, output_size)
print(fc)
fc(torch.rand(3, input_size))

# %% two linear layers without an activation are one
first, second = nn.Linear(5, 4, bias=False), nn.Linear(4, 3, bias=False)
x = torch.rand(2, 5)
print(second(first(x)))
print(x @ (first.weight.T @ second.weight.T))

# %% the activations
x = torch.arange(-3., 4.).requires_grad_()
for activation in (F.sigmoid, F.tanh, F.relu, F.leaky_relu):
    y = activation(x)
    x.grad = None
    y.sum().backward()
    print(y)
    print(x.grad)
