# The code of the notes on creating models. Of each block the notes keep only the first line; the rest
# is rebuilt from their prose.

# %% setup
from collections import OrderedDict
import torch
from torch import nn
import torch.nn.functional as F

# %% nn.Parameter, ParameterList, ParameterDict
## nn.Parameter 具有 requires_grad = True 属性
w = nn.Parameter(torch.randn(2, 2))
print(w)
print(w.requires_grad)
params_list = nn.ParameterList([nn.Parameter(torch.rand(8, i)) for i in range(1, 3)])
print(params_list)
print(params_list[0].requires_grad)
params_dict = nn.ParameterDict({"a": nn.Parameter(torch.rand(2, 2)),
                                "b": nn.Parameter(torch.zeros(2))})
print(params_dict)
print(params_dict["a"].requires_grad)

# %% a Module manages them
# module.parameters()返回一个生成器,包括其结构下的所有parameters
module = nn.Module()
module.w = w
module.params_list = params_list
module.params_dict = params_dict
num_param = 0
for param in module.parameters():
    print(param, "\n")
    num_param = num_param + 1
print("number of Parameters =", num_param)

# %% a linear layer of one's own
#以下范例为Pytorch中nn.Linear的源码的简化版本
class Linear(nn.Module):
    __constants__ = ['in_features', 'out_features']

    def __init__(self, in_features, out_features, bias=True):
        super(Linear, self).__init__()
        self.in_features = in_features
        self.out_features = out_features
        self.weight = nn.Parameter(torch.Tensor(out_features, in_features))
        if bias:
            self.bias = nn.Parameter(torch.Tensor(out_features))
        else:
            self.register_parameter('bias', None)
        nn.init.uniform_(self.weight, -1, 1)

    def forward(self, input):
        return F.linear(input, self.weight, self.bias)

linear = Linear(4, 3, bias=False)
print(linear.bias, [name for name, _ in linear.named_parameters()])
print(Linear(4, 3).bias.shape)
linear(torch.rand(2, 4))

# %% functions and their classes
x = torch.randn(2, 5)
target = torch.tensor([1, 3])
print(F.relu(x), nn.ReLU()(x))
print(F.sigmoid(x), nn.Sigmoid()(x))
print(F.tanh(x), nn.Tanh()(x))
print(F.softmax(x, dim=1), nn.Softmax(dim=1)(x))
print(F.mse_loss(x, torch.zeros(2, 5)), nn.MSELoss()(x, torch.zeros(2, 5)))
print(F.cross_entropy(x, target), nn.CrossEntropyLoss()(x, target))
print(F.binary_cross_entropy(x.sigmoid(), torch.ones(2, 5)))
print(nn.BCELoss()(x.sigmoid(), torch.ones(2, 5)))

# %% LeNet
class LeNet(nn.Module):
    def __init__(self, classes):
        super(LeNet, self).__init__()
        self.conv1 = nn.Conv2d(3, 6, 5)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(16*5*5, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, classes)

    def forward(self, x):
        out = F.relu(self.conv1(x))
        out = F.max_pool2d(out, 2)
        out = F.relu(self.conv2(out))
        out = F.max_pool2d(out, 2)
        out = out.view(out.size(0), -1)
        out = F.relu(self.fc1(out))
        out = F.relu(self.fc2(out))
        out = self.fc3(out)
        return out

net = LeNet(classes=2)
inputs = torch.randn(4, 3, 32, 32)
print(net)
outputs=net(inputs)
outputs

# %% the ordered dictionaries of a Module
print(list(net._modules))
print(list(net.conv1._modules), list(net.conv1._parameters))
print(net._buffers, net._forward_hooks, net._forward_pre_hooks, net._backward_hooks)
print(net.conv1._parameters['bias'])
print(isinstance(net.conv1, nn.Conv2d), isinstance(net.conv1, nn.Module))

# %% one step of training
loss = F.cross_entropy(outputs, torch.tensor([0, 1, 0, 1]))
optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9)
optimizer.zero_grad()
loss.backward()
optimizer.step()
print(loss, net.fc3.bias)

# %% children
class Net(nn.Module):
    def __init__(self):
        super(Net, self).__init__()
        self.embedding = nn.Embedding(num_embeddings=100, embedding_dim=3, padding_idx=1)
        self.conv = nn.Sequential()
        self.conv.add_module("conv_1", nn.Conv1d(in_channels=3, out_channels=16, kernel_size=5))
        self.conv.add_module("pool_1", nn.MaxPool1d(kernel_size=2))
        self.conv.add_module("relu_1", nn.ReLU())
        self.conv.add_module("conv_2", nn.Conv1d(in_channels=16, out_channels=128, kernel_size=2))
        self.conv.add_module("pool_2", nn.MaxPool1d(kernel_size=2))
        self.conv.add_module("relu_2", nn.ReLU())
        self.dense = nn.Sequential()
        self.dense.add_module("flatten", nn.Flatten())
        self.dense.add_module("linear", nn.Linear(384, 1))
        self.dense.add_module("sigmoid", nn.Sigmoid())

    def forward(self, x):
        x = self.embedding(x).transpose(1, 2)
        x = self.conv(x)
        y = self.dense(x)
        return y

net = Net()
i = 0
for child in net.children():
    i += 1
    print(child, "\n")
print("child number", i)

# %% children with their names
for name, child in net.named_children():
    print(name, ":", child, "\n")

# %% modules at every depth
i = 0
for module in net.modules():
    i += 1
    print(module)
print("module number:", i)
print([name for name, _ in net.named_modules()])

# %% a layer is frozen
children_dict = {name:module for name,module in net.named_children()}
print(children_dict)
embedding = children_dict["embedding"]
embedding.requires_grad_(False)
for param in embedding.parameters():
    print(param.requires_grad)
    print(param.numel())
net(torch.arange(40).view(2, 20)).sum().backward()
print(embedding.weight.grad, net.dense.linear.weight.grad.shape)

# %% LeNet with Sequential
class LeNetSequential(nn.Module):
    def __init__(self, classes):
        super(LeNetSequential, self).__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 6, 5),
            nn.ReLU(),
            nn.MaxPool2d(kernel_size=2, stride=2),
            nn.Conv2d(6, 16, 5),
            nn.ReLU(),
            nn.MaxPool2d(kernel_size=2, stride=2),)

        self.classifier = nn.Sequential(
            nn.Linear(16*5*5, 120),
            nn.ReLU(),
            nn.Linear(120, 84),
            nn.ReLU(),
            nn.Linear(84, classes),)

    def forward(self, x):
        x = self.features(x)
        x = x.view(x.size()[0], -1)
        x = self.classifier(x)
        return x

net = LeNetSequential(classes=2)
print(net)
print(net.features[0], list(net.features._modules))
net(inputs)

# %% LeNet with named layers
class LeNetSequentialOrderDict(nn.Module):
    def __init__(self, classes):
        super(LeNetSequentialOrderDict, self).__init__()
        self.features = nn.Sequential(OrderedDict({
            'conv1': nn.Conv2d(3, 6, 5),
            'relu1': nn.ReLU(inplace=True),
            'pool1': nn.MaxPool2d(kernel_size=2, stride=2),
            'conv2': nn.Conv2d(6, 16, 5),
            'relu2': nn.ReLU(inplace=True),
            'pool2': nn.MaxPool2d(kernel_size=2, stride=2),
        }))

        self.classifier = nn.Sequential(OrderedDict({
            'fc1': nn.Linear(16*5*5, 120),
            'relu3': nn.ReLU(),
            'fc2': nn.Linear(120, 84),
            'relu4': nn.ReLU(inplace=True),
            'fc3': nn.Linear(84, classes),
        }))

    def forward(self, x):
        x = self.features(x)
        x = x.view(x.size()[0], -1)
        x = self.classifier(x)
        return x

net = LeNetSequentialOrderDict(classes=2)
print(net)
print(net.features.conv1, list(net.state_dict()))
net(inputs)

# %% ModuleList
class ModuleList(nn.Module):
    def __init__(self):
        super(ModuleList, self).__init__()
        self.linears = nn.ModuleList([nn.Linear(10, 10) for i in range(20)])

    def forward(self, x):
        for i, linear in enumerate(self.linears):
            x = linear(x)
        return x

net = ModuleList()
print(net)
net(torch.ones((10, 10)))

# %% append, extend, insert
layers = nn.ModuleList([nn.Linear(2, 3)])
layers.append(nn.ReLU())
layers.extend(nn.ModuleList([nn.Linear(3, 4), nn.Tanh()]))
layers.insert(1, nn.Dropout(0.1))
print(layers, len(layers))
print(layers[1:3], layers[-1])

# %% ModuleDict
class ModuleDict(nn.Module):
    def __init__(self):
        super(ModuleDict, self).__init__()
        self.choices = nn.ModuleDict({
            'conv': nn.Conv2d(10, 10, 3),
            'pool': nn.MaxPool2d(3)
        })

        self.activations = nn.ModuleDict({
            'relu': nn.ReLU(),
            'prelu': nn.PReLU()
        })

    def forward(self, x, choice, act):
        x = self.choices[choice](x)
        x = self.activations[act](x)
        return x

net = ModuleDict()
fake_img = torch.randn((4, 10, 32, 32))
print(net)
output = net(fake_img, 'conv', 'relu')
print(output.shape)
print(net(fake_img, 'pool', 'prelu'))

# %% keys, values, items, pop, clear
print(list(net.choices.keys()), list(net.choices.values()), list(net.choices.items()))
print(net.choices.pop('pool'), len(net.choices), 'pool' in net.choices)
net.choices.clear()
print(net)

# %% AlexNet
class AlexNet(nn.Module):
    def __init__(self, num_classes=1000):
        super(AlexNet, self).__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 64, kernel_size=11, stride=4, padding=2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(kernel_size=3, stride=2),
            nn.Conv2d(64, 192, kernel_size=5, padding=2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(kernel_size=3, stride=2),
            nn.Conv2d(192, 384, kernel_size=3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(384, 256, kernel_size=3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(256, 256, kernel_size=3, padding=1),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(kernel_size=3, stride=2),
        )
        self.avgpool = nn.AdaptiveAvgPool2d((6, 6))
        self.classifier = nn.Sequential(
            nn.Dropout(),
            nn.Linear(256 * 6 * 6, 4096),
            nn.ReLU(inplace=True),
            nn.Dropout(),
            nn.Linear(4096, 4096),
            nn.ReLU(inplace=True),
            nn.Linear(4096, num_classes),
        )

    def forward(self, x):
        x = self.features(x)
        x = self.avgpool(x)
        x = torch.flatten(x, 1)
        x = self.classifier(x)
        return x

alexnet = AlexNet()
print(alexnet)
print(sum(p.numel() for p in alexnet.parameters()))

# %% AlexNet sees an image
alexnet.eval()
with torch.no_grad():
    scores = alexnet(torch.rand(1, 3, 224, 224))
print(scores.shape)
print(scores[0, :10])

# %% local response normalisation
nn.LocalResponseNorm(2)(torch.rand(1, 4, 2, 2))
