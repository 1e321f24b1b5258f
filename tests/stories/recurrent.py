"""Hidden states carried from call to call, truncated backpropagation, streams of tokens."""

from tests.stories.storykit import attempt_type, everything, fill, numbers, story


@story
def hidden_state_as_an_argument(t, compiled):
    cell = fill(t, t.nn.GRUCell(3, 2))
    run = compiled(lambda x, h: cell(x, h))
    h = t.zeros(4, 2)
    for k in range(3):
        h = run(numbers(t, 4, 3, seed=k), h.detach())
        yield h


@story
def hidden_state_that_is_none_at_first(t, compiled):
    rnn = fill(t, t.nn.LSTM(3, 2))
    run = compiled(lambda x, state: rnn(x, state))
    state = None
    for k in range(3):
        y, state = run(numbers(t, 2, 4, 3, seed=k), state)
        yield y, state


@story
def hidden_state_in_the_module(t, compiled):
    class Stateful(t.nn.Module):
        def __init__(self):
            super().__init__()
            self.cell = t.nn.RNNCell(3, 2)
            self.h = None

        def reset(self):
            self.h = None

        def forward(self, x):
            self.h = self.cell(x, self.h)
            return self.h

    net = fill(t, Stateful())
    run = compiled(net)
    for k in range(4):
        yield run(numbers(t, 4, 3, seed=k)), net.h
        if k == 1:
            net.reset()


@story
def gradient_through_the_state_in_the_module(t, compiled):
    class Accumulates(t.nn.Module):
        def __init__(self):
            super().__init__()
            self.w, self.h = t.nn.Parameter(t.ones(2)), t.zeros(2)

        def forward(self, x):
            self.h = (self.h + x) * self.w
            return self.h.sum()

    net = Accumulates()
    run = compiled(net)
    for k in range(3):
        loss = run(t.ones(2) * k)
        yield loss, net.h
    # Backward through all three calls.
    loss.backward()
    yield net.w.grad


@story
def truncated_backpropagation(t, compiled):
    cell = fill(t, t.nn.GRUCell(3, 2))
    optimizer = t.optim.SGD(cell.parameters(), lr=0.1)

    @compiled
    def step(xs, h):
        loss = 0
        for x in xs:
            h = cell(x, h)
            loss = loss + h.square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss, h.detach()

    h = t.zeros(4, 2)
    for k, length in enumerate((2, 2, 3, 1)):
        loss, h = step(numbers(t, length, 4, 3, seed=k), h)
        yield loss, h, everything(cell)


@story
def state_not_detached(t, compiled):
    cell = fill(t, t.nn.RNNCell(3, 2))

    @compiled
    def step(x, h):
        h = cell(x, h)
        h.sum().backward()
        return h

    h = step(numbers(t, 4, 3), t.zeros(4, 2))
    yield h
    # PyTorch's well-known error: the graph of the last call is gone.
    yield attempt_type(step, numbers(t, 4, 3), h)
    yield step(numbers(t, 4, 3), h.detach()), everything(cell)


@story
def state_detached_in_place(t, compiled):
    cell = fill(t, t.nn.GRUCell(3, 2))
    state = {"h": t.zeros(4, 2)}

    @compiled
    def step(x):
        state["h"].detach_()
        state["h"] = cell(x, state["h"])
        cell.zero_grad()
        state["h"].sum().backward()

    for k in range(3):
        step(numbers(t, 4, 3, seed=k))
        yield state, everything(cell)


@story
def lengths_that_change(t, compiled):
    rnn = fill(t, t.nn.GRU(3, 2, batch_first=True))

    @compiled
    def encode(x, lengths):
        y, _ = rnn(x)
        return t.stack([y[k, length - 1] for k, length in enumerate(lengths)])

    for lengths in ([3, 1], [2, 2], [1, 3], [3, 1]):
        yield encode(numbers(t, 2, 3, 3), lengths)


@story
def cache_of_keys_that_grows(t, compiled):
    class Attention:
        def __init__(self):
            self.keys = None

        def __call__(self, x):
            self.keys = x if self.keys is None else t.cat([self.keys, x])
            return (x @ self.keys.t()).softmax(-1) @ self.keys

    attention = Attention()
    run = compiled(attention)
    for k in range(4):
        yield run(numbers(t, 1, 3, seed=k)), attention.keys.shape[0]


@story
def cache_written_at_a_position(t, compiled):
    cache = {"k": t.zeros(4, 3), "length": 0}

    @compiled
    def append(x):
        cache["k"][cache["length"]] = x
        cache["length"] += 1
        return cache["k"][: cache["length"]].sum(0)

    for k in range(4):
        yield append(numbers(t, 3, seed=k)), cache


@story
def teacher_forcing(t, compiled):
    cell = fill(t, t.nn.GRUCell(3, 3))

    @compiled
    def decode(xs, forced):
        h, x, outputs = t.zeros(4, 3), xs[0], []
        for k in range(len(xs)):
            h = cell(x, h)
            outputs.append(h)
            x = xs[k] if forced[k] else h.detach()
        return t.stack(outputs)

    for forced in ([True, True], [False, True], [True, True], [False, False]):
        cell.zero_grad()
        y = decode(numbers(t, 2, 4, 3), forced)
        y.sum().backward()
        yield y, everything(cell)


@story
def greedy_decoding_until_the_end(t, compiled):
    embed, out = fill(t, t.nn.Embedding(4, 3)), fill(t, t.nn.Linear(3, 4))

    @compiled
    def generate(token, most):
        tokens, h = [token.item()], t.zeros(3)
        with t.no_grad():
            while len(tokens) < most:
                h = (h + embed(token)).tanh()
                token = out(h).argmax()
                tokens.append(token.item())
        return tokens

    for k in range(4):
        yield generate(t.tensor(k), 3 + k)
