# The code of the notes "dive into deep learning". Sections 5.3 and 6.2 keep only their prose in the
# notes; their code is rebuilt from it.

# %% setup
import torch
from torch import nn
from torch.nn import functional as F
X = torch.rand(2, 20)

# %% 5.1.1 a block of one's own
class MLP(nn.Module):
    # 用模型参数声明层。这里,我们声明两个全连接的层
    def __init__(self):
        # 调用MLP的父类Module的构造函数来执行必要的初始化。
        # 这样,在类实例化时也可以指定其他函数参数,例如模型参数params(稍后将介绍)
        super().__init__()
        self.hidden = nn.Linear(20, 256)  # 隐藏层
        self.out = nn.Linear(256, 10)  # 输出层

    # 定义模型的前向传播,即如何根据输入X返回所需的模型输出
    def forward(self, X):
        # 注意,这里我们使用ReLU的函数版本,其在nn.functional模块中定义。
        return self.out(F.relu(self.hidden(X)))

# %% 5.1.1 the block is used
net = MLP()
net(X)

# %% 5.1.2 a sequential block of one's own
class MySequential(nn.Module):
    def __init__(self, *args):
        super().__init__()
        for idx, module in enumerate(args):
            # 这里,module是Module子类的一个实例。我们把它保存在'Module'类的成员
            # 变量_modules中。module的类型是OrderedDict
            self._modules[str(idx)] = module

    def forward(self, X):
        # OrderedDict保证了按照成员添加的顺序遍历它们
        for block in self._modules.values():
            X = block(X)
        return X

# %% 5.1.2 the sequential block is used
net = MySequential(nn.Linear(20, 256), nn.ReLU(), nn.Linear(256, 10))
net(X)

# %% 5.1.3 code in the forward function
class FixedHiddenMLP(nn.Module):
    def __init__(self):
        super().__init__()
        # 不计算梯度的随机权重参数。因此其在训练期间保持不变
        self.rand_weight = torch.rand((20, 20), requires_grad=False)
        self.linear = nn.Linear(20, 20)

    def forward(self, X):
        X = self.linear(X)
        # 使用创建的常量参数以及relu和mm函数
        X = F.relu(torch.mm(X, self.rand_weight) + 1)
        # 复用全连接层。这相当于两个全连接层共享参数
        X = self.linear(X)
        # 控制流
        while X.abs().sum() > 1:
            X /= 2
        return X.sum()

# %% 5.1.3 it is used
net = FixedHiddenMLP()
net(X)

# %% 5.1.3 blocks in blocks
class NestMLP(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(20, 64), nn.ReLU(),
                                 nn.Linear(64, 32), nn.ReLU())
        self.linear = nn.Linear(32, 16)

    def forward(self, X):
        return self.linear(self.net(X))

chimera = nn.Sequential(NestMLP(), nn.Linear(16, 20), FixedHiddenMLP())
chimera(X)

# %% 5.2 parameters
import torch
from torch import nn

net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1))
X = torch.rand(size=(2, 4))
net(X)

# %% 5.2.1 access
print(net[2].state_dict())

# %% 5.2.1.1 one parameter
print(type(net[2].bias))
print(net[2].bias)
print(net[2].bias.data)

# %% 5.2.1.2 all parameters at once
print(*[(name, param.shape) for name, param in net[0].named_parameters()])
print(*[(name, param.shape) for name, param in net.named_parameters()])

# %% 5.2.1.2 another way
net.state_dict()['2.bias'].data

# %% 5.2.1.3 nested blocks
def block1():
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(),
                         nn.Linear(8, 4), nn.ReLU())

def block2():
    net = nn.Sequential()
    for i in range(4):
        # 在这里嵌套
        net.add_module(f'block {i}', block1())
    return net

rgnet = nn.Sequential(block2(), nn.Linear(4, 1))
rgnet(X)

# %% 5.2.1.3 how the nested blocks are arranged
print(rgnet)

# %% 5.2.1.3 access by nested index
rgnet[0][1][0].bias.data

# %% 5.3 deferred initialisation
net = nn.Sequential(nn.LazyLinear(256), nn.ReLU(), nn.LazyLinear(10))
print(net)
print(net[0].weight)
print(net(torch.rand(2, 20)).shape)
print(net)
print(net[0].weight.shape)

# %% 5.4.1 a layer without parameters
import torch
import torch.nn.functional as F
from torch import nn


class CenteredLayer(nn.Module):
    def __init__(self):
        super().__init__()

    def forward(self, X):
        return X - X.mean()

# %% 5.4.1 it is used
layer = CenteredLayer()
layer(torch.FloatTensor([1, 2, 3, 4, 5]))

# %% 5.4.1 it is a component
net = nn.Sequential(nn.Linear(8, 128), CenteredLayer())

# %% 5.4.1 the mean is zero
Y = net(torch.rand(4, 8))
print(bool(Y.mean().abs() < 1e-6), Y.mean().grad_fn is not None)

# %% 5.4.2 a layer with parameters
class MyLinear(nn.Module):
    def __init__(self, in_units, units):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(in_units, units))
        self.bias = nn.Parameter(torch.randn(units,))
    def forward(self, X):
        linear = torch.matmul(X, self.weight.data) + self.bias.data
        return F.relu(linear)

# %% 5.4.2 its parameters
linear = MyLinear(5, 3)
linear.weight

# %% 5.4.2 it is used
linear(torch.rand(2, 5))

# %% 5.4.2 a model of such layers
net = nn.Sequential(MyLinear(64, 8), MyLinear(8, 1))
net(torch.rand(2, 64))

# %% 5.5.1 save a tensor
import torch
from torch import nn
from torch.nn import functional as F

x = torch.arange(4)
torch.save(x, 'x-file')

# %% 5.5.1 load a tensor
x2 = torch.load('x-file')
x2

# %% 5.5.1 a list of tensors
y = torch.zeros(4)
torch.save([x, y],'x-files')
x2, y2 = torch.load('x-files')
(x2, y2)

# %% 5.5.1 a dictionary of tensors
mydict = {'x': x, 'y': y}
torch.save(mydict, 'mydict')
mydict2 = torch.load('mydict')
mydict2

# %% 5.5.2 a model
class MLP(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden = nn.Linear(20, 256)
        self.output = nn.Linear(256, 10)

    def forward(self, x):
        return self.output(F.relu(self.hidden(x)))

net = MLP()
X = torch.randn(size=(2, 20))
Y = net(X)

# %% 5.5.2 save its parameters
torch.save(net.state_dict(), 'mlp.params')

# %% 5.5.2 load them into another
clone = MLP()
clone.load_state_dict(torch.load('mlp.params'))
clone.eval()

# %% 5.5.2 both compute the same
Y_clone = clone(X)
Y_clone == Y

# %% 5.6.1 devices
import torch
from torch import nn

torch.device('cpu'), torch.device('cuda'), torch.device('cuda:1')

# %% 5.6.1 count them
torch.cuda.device_count()

# %% 5.6.1 try them
def try_gpu(i=0):  #@save
    """如果存在,则返回gpu(i),否则返回cpu()"""
    if torch.cuda.device_count() >= i + 1:
        return torch.device(f'cuda:{i}')
    return torch.device('cpu')

def try_all_gpus():  #@save
    """返回所有可用的GPU,如果没有GPU,则返回[cpu(),]"""
    devices = [torch.device(f'cuda:{i}')
             for i in range(torch.cuda.device_count())]
    return devices if devices else [torch.device('cpu')]

try_gpu(), try_gpu(10), try_all_gpus()

# %% 5.6.2 where a tensor is
x = torch.tensor([1, 2, 3])
x.device

# %% 5.6.2.1 a tensor on the device
X = torch.ones(2, 3, device=try_gpu())
X

# %% 5.6.2.1 a random tensor on the second device
Y = torch.rand(2, 3, device=try_gpu(1))
Y

# %% 5.6.2.2 copy
Z = X.cuda(1) if torch.cuda.device_count() > 1 else X
print(X)
print(Z)

# %% 5.6.2.2 add
Y + Z

# %% 5.6.3 a network on the device
net = nn.Sequential(nn.Linear(3, 1))
net = net.to(device=try_gpu())

# %% 5.6.3 it computes there
net(X)

# %% 5.6.3 its parameters are there
net[0].weight.data.device

# %% 6.2.1 cross-correlation
def corr2d(X, K):
    """计算二维互相关运算"""
    h, w = K.shape
    Y = torch.zeros((X.shape[0] - h + 1, X.shape[1] - w + 1))
    for i in range(Y.shape[0]):
        for j in range(Y.shape[1]):
            Y[i, j] = (X[i:i + h, j:j + w] * K).sum()
    return Y

X = torch.tensor([[0.0, 1.0, 2.0], [3.0, 4.0, 5.0], [6.0, 7.0, 8.0]])
K = torch.tensor([[0.0, 1.0], [2.0, 3.0]])
print(corr2d(X, K))
print(F.conv2d(X[None, None], K[None, None]))

# %% 6.2.2 a convolutional layer of one's own
class Conv2D(nn.Module):
    def __init__(self, kernel_size):
        super().__init__()
        self.weight = nn.Parameter(torch.rand(kernel_size))
        self.bias = nn.Parameter(torch.zeros(1))

    def forward(self, x):
        return corr2d(x, self.weight) + self.bias

layer = Conv2D((2, 2))
print(layer(X))
layer(X).sum().backward()
print(layer.weight.grad, layer.bias.grad)
