"""Sequence to sequence with attention, checkpoints in the middle, and beam search."""

import argparse
import os
import random
import tempfile

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from prepare import draw_weights
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence, pad_sequence
from torch.utils.data import DataLoader, Dataset, SequentialSampler

p = argparse.ArgumentParser()
p.add_argument("--epochs", type=int, default=3)
p.add_argument("--hidden", type=int, default=32)
p.add_argument("--beam", type=int, default=3)
args = p.parse_args()
PAD, SOS, EOS = 0, 1, 2
V = 12


class Reverse(Dataset):
    def __init__(self, n):
        r = np.random.default_rng(5)
        self.data = [r.integers(3, V, r.integers(3, 8)).tolist() for _ in range(n)]

    def __len__(self):
        return len(self.data)

    def __getitem__(self, i):
        return torch.tensor(self.data[i]), torch.tensor(self.data[i][::-1] + [EOS])


def collate(batch):
    src, trg = zip(*batch)
    lens = torch.tensor([len(s) for s in src])
    return pad_sequence(src, batch_first=True), lens, pad_sequence(trg, batch_first=True)


class Encoder(nn.Module):
    def __init__(self, h):
        super().__init__()
        self.emb = nn.Embedding(V, h, padding_idx=PAD)
        self.rnn = nn.GRU(h, h, bidirectional=True, batch_first=True)
        self.fc = nn.Linear(2 * h, h)

    def forward(self, src, lens):
        packed = pack_padded_sequence(self.emb(src), lens, batch_first=True, enforce_sorted=False)
        out, hid = self.rnn(packed)
        out, _ = pad_packed_sequence(out, batch_first=True)
        return out, torch.tanh(self.fc(torch.cat((hid[-2], hid[-1]), 1)))


class Attention(nn.Module):
    def __init__(self, h):
        super().__init__()
        self.a = nn.Linear(3 * h, h)
        self.v = nn.Linear(h, 1, bias=False)

    def forward(self, hid, enc, mask):
        q = hid.unsqueeze(1).repeat(1, enc.shape[1], 1)
        e = self.v(torch.tanh(self.a(torch.cat((q, enc), 2)))).squeeze(2)
        return F.softmax(e.masked_fill(mask == 0, -1e10), 1)


class Decoder(nn.Module):
    def __init__(self, h):
        super().__init__()
        self.emb = nn.Embedding(V, h)
        self.att = Attention(h)
        self.rnn = nn.GRU(3 * h, h, batch_first=True)
        self.out = nn.Linear(4 * h, V)

    def forward(self, tok, hid, enc, mask):
        e = self.emb(tok).unsqueeze(1)
        a = self.att(hid, enc, mask).unsqueeze(1)
        w = torch.bmm(a, enc)
        o, h = self.rnn(torch.cat((e, w), 2), hid.unsqueeze(0))
        return (
            self.out(torch.cat((o.squeeze(1), w.squeeze(1), e.squeeze(1)), 1)),
            h.squeeze(0),
            a.squeeze(1),
        )


class Seq2Seq(nn.Module):
    def __init__(self, h):
        super().__init__()
        self.enc, self.dec = Encoder(h), Decoder(h)

    def forward(self, src, lens, trg, tf=0.5):
        enc, hid = self.enc(src, lens)
        mask = src != PAD
        outs = torch.zeros(trg.shape[1], src.shape[0], V)
        tok = torch.full((src.shape[0],), SOS)
        for t in range(trg.shape[1]):
            outs[t], hid, _ = self.dec(tok, hid, enc, mask)
            tok = trg[:, t] if random.random() < tf else outs[t].argmax(1)
        return outs


def beam_search(model, src, k, maxlen=10):
    with torch.no_grad():
        enc, hid = model.enc(src.unsqueeze(0), torch.tensor([len(src)]))
        mask = (src != PAD).unsqueeze(0)
        beams = [([SOS], 0.0, hid)]
        done = []
        for _ in range(maxlen):
            new = []
            for seq, score, h in beams:
                if seq[-1] == EOS:
                    done.append((seq, score / len(seq)))
                    continue
                logit, h2, _ = model.dec(torch.tensor([seq[-1]]), h, enc, mask)
                lp, ix = F.log_softmax(logit, -1).topk(k)
                for p, i in zip(lp[0], ix[0]):
                    new.append((seq + [i.item()], score + p.item(), h2))
            if not new:
                break
            beams = sorted(new, key=lambda b: -b[1])[:k]
        done += [(s, sc / len(s)) for s, sc, _ in beams]
        return max(done, key=lambda d: d[1])


ds = Reverse(160)
loader = DataLoader(ds, batch_size=32, collate_fn=collate, sampler=SequentialSampler(ds))
model = Seq2Seq(args.hidden)
draw_weights(model)
random.seed(0)
opt = torch.optim.Adam(model.parameters(), lr=3e-3)
crit = nn.CrossEntropyLoss(ignore_index=PAD)
path = os.path.join(tempfile.mkdtemp(), "c.pt")
for epoch in range(args.epochs):
    model.train()
    total = 0
    for src, lens, trg in loader:
        opt.zero_grad()
        out = model(src, lens, trg)
        loss = crit(out.permute(1, 2, 0), trg)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        opt.step()
        total += loss.item()
    print(f"number loss {total / len(loader):.5f}")
    torch.save({"model": model.state_dict(), "opt": opt.state_dict(), "epoch": epoch}, path)
    if epoch == 1:
        ck = torch.load(path)
        model = Seq2Seq(args.hidden)
        model.load_state_dict(ck["model"])
        opt = torch.optim.Adam(model.parameters(), lr=3e-3)
        opt.load_state_dict(ck["opt"])
model.eval()
for i in range(4):
    seq, score = beam_search(model, ds[i][0], args.beam)
    print("text beam", *seq)
    print(f"number score {score:.5f}")
