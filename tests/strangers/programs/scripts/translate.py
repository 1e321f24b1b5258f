"""Sequence to sequence with attention: an encoder, a decoder, teacher forcing."""

import math
import random
import time

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from prepare import WORDS, draw_weights
from torch import optim
from torch.utils.data import DataLoader, SequentialSampler, TensorDataset

device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
SOS_token, EOS_token, MAX_LENGTH = 0, 1, 6


class Lang:
    def __init__(self, name):
        self.name, self.word2index, self.word2count = name, {}, {}
        self.index2word, self.n_words = {0: "SOS", 1: "EOS"}, 2

    def addSentence(self, sentence):
        for word in sentence.split(" "):
            if word not in self.word2index:
                self.word2index[word] = self.n_words
                self.index2word[self.n_words] = word
                self.n_words += 1


class EncoderRNN(nn.Module):
    def __init__(self, input_size, hidden_size, dropout_p=0.0):
        super().__init__()
        self.embedding = nn.Embedding(input_size, hidden_size)
        self.gru = nn.GRU(hidden_size, hidden_size, batch_first=True)
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, input):
        return self.gru(self.dropout(self.embedding(input)))


class BahdanauAttention(nn.Module):
    def __init__(self, hidden_size):
        super().__init__()
        self.Wa = nn.Linear(hidden_size, hidden_size)
        self.Ua = nn.Linear(hidden_size, hidden_size)
        self.Va = nn.Linear(hidden_size, 1)

    def forward(self, query, keys):
        scores = self.Va(torch.tanh(self.Wa(query) + self.Ua(keys))).squeeze(2).unsqueeze(1)
        weights = F.softmax(scores, dim=-1)
        return torch.bmm(weights, keys), weights


class AttnDecoderRNN(nn.Module):
    def __init__(self, hidden_size, output_size, dropout_p=0.0):
        super().__init__()
        self.embedding = nn.Embedding(output_size, hidden_size)
        self.attention = BahdanauAttention(hidden_size)
        self.gru = nn.GRU(2 * hidden_size, hidden_size, batch_first=True)
        self.out = nn.Linear(hidden_size, output_size)
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, encoder_outputs, encoder_hidden, target_tensor=None):
        batch_size = encoder_outputs.size(0)
        decoder_input = torch.empty(batch_size, 1, dtype=torch.long, device=device).fill_(SOS_token)
        decoder_hidden = encoder_hidden
        decoder_outputs, attentions = [], []
        for i in range(MAX_LENGTH):
            output, decoder_hidden, weights = self.forward_step(
                decoder_input, decoder_hidden, encoder_outputs
            )
            decoder_outputs.append(output)
            attentions.append(weights)
            if target_tensor is not None:
                decoder_input = target_tensor[:, i].unsqueeze(1)
            else:
                _, topi = output.topk(1)
                decoder_input = topi.squeeze(-1).detach()
        decoder_outputs = torch.cat(decoder_outputs, dim=1)
        return F.log_softmax(decoder_outputs, dim=-1), decoder_hidden, torch.cat(attentions, dim=1)

    def forward_step(self, input, hidden, encoder_outputs):
        embedded = self.dropout(self.embedding(input))
        context, weights = self.attention(hidden.permute(1, 0, 2), encoder_outputs)
        output, hidden = self.gru(torch.cat((embedded, context), dim=2), hidden)
        return self.out(output), hidden, weights


def loader_of(batch_size):
    random.seed(0)
    lang = Lang("words")
    pairs = []
    for _ in range(16):
        words = random.choices(WORDS, k=random.randint(2, MAX_LENGTH - 1))
        pairs.append((" ".join(words), " ".join(reversed(words))))
    for one, _ in pairs:
        lang.addSentence(one)
    ids = np.zeros((2, len(pairs), MAX_LENGTH), dtype=np.int64)
    for i, pair in enumerate(pairs):
        for side in range(2):
            numbers = [lang.word2index[w] for w in pair[side].split(" ")] + [EOS_token]
            ids[side, i, : len(numbers)] = numbers
    data = TensorDataset(torch.LongTensor(ids[0]).to(device), torch.LongTensor(ids[1]).to(device))
    return lang, DataLoader(data, sampler=SequentialSampler(data), batch_size=batch_size)


def main():
    lang, loader = loader_of(8)
    encoder = draw_weights(EncoderRNN(lang.n_words, 12)).to(device)
    decoder = draw_weights(AttnDecoderRNN(12, lang.n_words)).to(device)
    encoder_optimizer = optim.Adam(encoder.parameters(), lr=0.01)
    decoder_optimizer = optim.Adam(decoder.parameters(), lr=0.01)
    criterion = nn.NLLLoss()
    start = time.time()
    for epoch in range(1, 5):
        total_loss = 0
        for input_tensor, target_tensor in loader:
            encoder_optimizer.zero_grad()
            decoder_optimizer.zero_grad()
            outputs, hidden = encoder(input_tensor)
            decoded, _, _ = decoder(outputs, hidden, target_tensor)
            loss = criterion(decoded.view(-1, decoded.size(-1)), target_tensor.view(-1))
            loss.backward()
            encoder_optimizer.step()
            decoder_optimizer.step()
            total_loss += loss.item()
        print(f"{math.floor(time.time() - start)} s ({epoch} {epoch / 4 * 100:.0f}%)")
        print(f"number loss {total_loss / len(loader):.6g}")
    encoder.eval()
    decoder.eval()
    with torch.no_grad():
        outputs, hidden = encoder(input_tensor[:1])
        decoded, _, attention = decoder(outputs, hidden)
        _, topi = decoded.topk(1)
        print("text", [lang.index2word[idx.item()] for idx in topi.squeeze()])
        print(f"number attention {attention.square().sum().item():.5g}")


if __name__ == "__main__":
    main()
