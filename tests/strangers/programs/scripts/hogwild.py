"""Processes that train one network without locks, in shared memory."""

import argparse

import numpy as np
import torch
import torch.multiprocessing as mp
import torch.nn as nn
import torch.nn.functional as F


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(4, 16)
        self.fc2 = nn.Linear(16, 1)

    def forward(self, x):
        return self.fc2(F.relu(self.fc1(x)))


def train(rank, args, model, counter, lock, done):
    torch.manual_seed(rank)
    generator = np.random.default_rng(rank)
    optimizer = torch.optim.SGD(model.parameters(), lr=args.lr, momentum=args.momentum)
    for _ in range(args.steps):
        data = torch.from_numpy(generator.standard_normal((32, 4)).astype(np.float32))
        optimizer.zero_grad()
        loss = F.mse_loss(model(data), data.sum(1, keepdim=True))
        loss.backward()
        optimizer.step()
        done[rank] += 1
        with lock:
            counter += 1


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--num-processes", type=int, default=2)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--lr", type=float, default=0.05)
    parser.add_argument("--momentum", type=float, default=0.5)
    args = parser.parse_args()
    torch.manual_seed(1)
    mp.set_start_method("spawn", force=True)
    model = Net()
    model.share_memory()
    counter = torch.zeros(1, dtype=torch.long).share_memory_()
    done = torch.zeros(args.num_processes, dtype=torch.long).share_memory_()
    lock = mp.Lock()
    processes = []
    for rank in range(args.num_processes):
        p = mp.Process(target=train, args=(rank, args, model, counter, lock, done))
        p.start()
        processes.append(p)
    for p in processes:
        p.join()
    print("text steps", counter.item(), *done.tolist(), *[p.exitcode for p in processes])
    data = torch.from_numpy(np.random.default_rng(9).standard_normal((64, 4)).astype(np.float32))
    with torch.no_grad():
        print("text learned", F.mse_loss(model(data), data.sum(1, keepdim=True)).item() < 0.3)


if __name__ == "__main__":
    main()
