"""Generator expressions and comprehensions that are gone through at once, also over results."""

from tests.stories.storykit import batch, everything, fill, mlp, numbers, story


def attention(t, size=4):
    class Attention(t.nn.Module):
        def __init__(self):
            super().__init__()
            self.parts, self.out = t.nn.Linear(size, 3 * size), t.nn.Linear(size, size)
            self.heads = 2

        def forward(self, x):
            B, T, C = x.shape
            parts = self.parts(x).split(C, dim=2)
            q, k, v = (p.view(B, T, self.heads, C // self.heads).transpose(1, 2) for p in parts)
            mixed = t.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
            return self.out(mixed.transpose(1, 2).reshape(B, T, C))

    return fill(t, Attention())


def trained(t, compiled, net, opt):
    @compiled
    def step(x):
        opt.zero_grad()
        loss = net(x).square().mean()
        loss.backward()
        opt.step()
        return loss.detach()

    return step


@story
def queries_keys_and_values_of_a_generator(t, compiled):
    net = attention(t)
    opt = t.optim.SGD(net.parameters(), lr=0.5, momentum=0.9)
    step = trained(t, compiled, net, opt)
    for number in range(8):
        if number == 4:
            net.heads = 1
        if number == 6:
            net.parts.bias.requires_grad_(False)
        yield step(numbers(t, 2, 3, 4)), everything(net, opt)


@story
def pairs_of_a_generator_with_a_condition(t, compiled):
    net = mlp(t)
    state = {"least": 0}

    @compiled
    def run(x):
        first, second = (part * 2 for part in x.chunk(3) if part.shape[0] > state["least"])
        return net(first), second

    for number in range(6):
        state["least"] = number % 2
        try:
            yield run(batch(t, 5)[0])
        except ValueError as error:
            yield str(error)


@story
def rows_of_a_result_in_lists(t, compiled):
    net = mlp(t)
    scale = [1.0]

    @compiled
    def run(x):
        rows = [row.softmax(-1) * scale[0] for row in net(x)]
        halves = tuple(part.sum() for part in t.stack(rows).chunk(2, dim=1))
        return t.stack(list(halves)), len(rows)

    for number in range(7):
        scale[0] = 1.0 + number // 3
        yield run(batch(t, 4 + number // 5)[0])


@story
def all_and_any_of_flags(t, compiled):
    net = mlp(t)

    @compiled
    def run(x):
        out = net(x)
        if all(p.requires_grad for p in net.parameters()):
            out = out * 2
        if any(m.training for m in net.modules()):
            out = out + 1
        return out

    for number in range(9):
        if number == 3:
            net[0].weight.requires_grad_(False)
        if number == 5:
            net.eval()
        if number == 7:
            net[-1].train()
        yield run(batch(t)[0])


@story
def starred_generators(t, compiled):
    net, weights = mlp(t), [1.0, 2.0, 3.0]

    @compiled
    def run(x):
        out = net(x)
        total = t.stack([*(out * weight for weight in weights)]).sum(0)
        return t.cat([*(part for part in (out, total))])

    for number in range(6):
        if number == 3:
            weights.append(4.0)
        if number == 5:
            weights[0] = 0.0
        yield run(batch(t)[0])


@story
def a_generator_that_runs_dry(t, compiled):
    net = mlp(t)
    names = ["a", "b"]

    @compiled
    def run(x):
        first, second = (net(x) + len(name) for name in names)
        return first - second

    for number in range(5):
        if number == 3:
            names.append("long")
        try:
            yield run(batch(t)[0])
        except ValueError as error:
            yield str(error)


@story
def a_generator_beside_what_the_loop_changes(t, compiled):
    net = mlp(t)

    @compiled
    def run(x):
        seen, total = [1.0], 0
        for each in (number * 2 for number in seen):
            total = total + net(x).sum() * each
            if len(seen) < 3:
                seen.append(each)
        return total

    for _ in range(4):
        yield run(batch(t)[0])
