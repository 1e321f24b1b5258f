"""Adversaries with two optimizers; agents with target networks, buffers and episodes."""

import random

from tests.stories.storykit import batch, everything, fill, linear, mlp, numbers, story


@story
def gan_with_two_optimizers(t, compiled):
    generator, critic = fill(t, t.nn.Linear(2, 3)), mlp(t)
    g_optimizer = t.optim.Adam(generator.parameters(), lr=0.01, betas=(0.5, 0.9))
    d_optimizer = t.optim.Adam(critic.parameters(), lr=0.02)
    loss_of = t.nn.BCEWithLogitsLoss()

    @compiled
    def step(real, z):
        d_optimizer.zero_grad()
        fake = generator(z)
        ones, zeros = t.ones(len(z), 2), t.zeros(len(z), 2)
        d_loss = loss_of(critic(real), ones) + loss_of(critic(fake.detach()), zeros)
        d_loss.backward()
        d_optimizer.step()
        g_optimizer.zero_grad()
        g_loss = loss_of(critic(fake), ones)
        g_loss.backward()
        g_optimizer.step()
        return d_loss, g_loss

    for k in range(4):
        losses = step(batch(t, k)[0], numbers(t, 4, 2, seed=k))
        yield losses, everything(generator, g_optimizer), everything(critic, d_optimizer)
        d_optimizer.param_groups[0]["lr"] *= 0.5


@story
def gan_in_two_functions(t, compiled):
    generator, critic = fill(t, t.nn.Linear(2, 3)), linear(t)
    g_optimizer = t.optim.SGD(generator.parameters(), lr=0.1)
    d_optimizer = t.optim.SGD(critic.parameters(), lr=0.1)

    @compiled
    def train_critic(real, z):
        d_optimizer.zero_grad()
        with t.no_grad():
            fake = generator(z)
        loss = critic(fake).mean() - critic(real).mean()
        loss.backward()
        d_optimizer.step()
        for p in critic.parameters():
            p.data.clamp_(-0.3, 0.3)
        return loss

    @compiled
    def train_generator(z):
        g_optimizer.zero_grad()
        loss = -critic(generator(z)).mean()
        loss.backward()
        g_optimizer.step()
        return loss

    for k in range(4):
        z = numbers(t, 4, 2, seed=k)
        losses = [train_critic(batch(t, k)[0], z)]
        if k % 2:
            losses.append(train_generator(z))
        yield losses, everything(generator), everything(critic)


@story
def generator_trained_every_second_step(t, compiled):
    generator, critic = fill(t, t.nn.Linear(2, 3)), linear(t)
    g_optimizer = t.optim.SGD(generator.parameters(), lr=0.1)
    d_optimizer = t.optim.SGD(critic.parameters(), lr=0.1)
    state = {"iteration": 0}

    @compiled
    def step(real, z):
        d_optimizer.zero_grad()
        (critic(generator(z).detach()).mean() - critic(real).mean()).backward()
        d_optimizer.step()
        if state["iteration"] % 2 == 1:
            g_optimizer.zero_grad()
            (-critic(generator(z)).mean()).backward()
            g_optimizer.step()
        state["iteration"] += 1

    for k in range(4):
        step(batch(t, k)[0], numbers(t, 4, 2, seed=k))
        yield everything(generator), everything(critic), state


@story
def target_network_copied_every_third_step(t, compiled):
    policy, target = mlp(t), mlp(t)
    optimizer = t.optim.AdamW(policy.parameters(), lr=0.01)
    state = {"steps": 0}

    @compiled
    def step(x, action, reward):
        with t.no_grad():
            expected = reward + 0.9 * target(x).max(1).values
        q = policy(x).gather(1, action[:, None]).squeeze(1)
        loss = t.nn.functional.smooth_l1_loss(q, expected)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        state["steps"] += 1
        if state["steps"] % 3 == 0:
            target.load_state_dict(policy.state_dict())
        return loss

    for k in range(5):
        loss = step(batch(t, k)[0], t.tensor([0, 1, 0, k % 2]), t.ones(4) * k)
        yield loss, everything(policy), everything(target), state


@story
def target_network_by_data_between_calls(t, compiled):
    policy, target = linear(t), linear(t)

    @compiled
    def step(x):
        policy.zero_grad()
        loss = (policy(x) - target(x).detach()).square().mean()
        loss.backward()
        with t.no_grad():
            for p in policy.parameters():
                p -= 0.1 * p.grad
        return loss

    for k in range(4):
        yield step(batch(t, k)[0]), everything(policy), everything(target)
        for p, q in zip(policy.parameters(), target.parameters(), strict=True):
            if k % 2:
                q.data.copy_(0.5 * p.data + 0.5 * q.data)
            else:
                q.data = 0.5 * p.data + 0.5 * q.data


@story
def epsilon_greedy_actions(t, compiled):
    source, net = random.Random(0), linear(t)
    state = {"steps": 0}

    @compiled
    def act(x):
        epsilon = 0.9 * 0.5 ** state["steps"]
        state["steps"] += 1
        if source.random() < epsilon:
            return source.randrange(2)
        with t.no_grad():
            return net(x).argmax().item()

    for k in range(5):
        yield act(numbers(t, 3, seed=k)), state


@story
def policy_gradient_over_an_episode(t, compiled):
    net = linear(t)
    optimizer = t.optim.SGD(net.parameters(), lr=0.1)
    log_probs, rewards = [], []

    @compiled
    def act(x):
        log_prob = net(x).log_softmax(-1)
        action = log_prob.argmax().item()
        log_probs.append(log_prob[action])
        rewards.append(1.0 if action else -1.0)
        return action

    @compiled
    def finish():
        returns, total = [], 0.0
        for reward in reversed(rewards):
            total = reward + 0.9 * total
            returns.insert(0, total)
        loss = sum(-log_prob * r for log_prob, r in zip(log_probs, returns, strict=True))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        log_probs.clear()
        rewards.clear()
        return loss

    for episode in range(3):
        actions = [act(numbers(t, 3, seed=episode + k)) for k in range(episode + 1)]
        yield actions, finish(), everything(net), rewards


@story
def clipped_policy_optimisation(t, compiled):
    actor, critic = linear(t), fill(t, t.nn.Linear(3, 1))
    optimizer = t.optim.Adam([*actor.parameters(), *critic.parameters()], lr=0.05)

    @compiled
    def update(x, action, old_log_prob, returns, epochs):
        for _ in range(epochs):
            log_prob = actor(x).log_softmax(1).gather(1, action[:, None]).squeeze(1)
            value = critic(x).squeeze(1)
            ratio = (log_prob - old_log_prob).exp()
            advantage = (returns - value).detach()
            clipped = ratio.clamp(0.8, 1.2) * advantage
            loss = -t.min(ratio * advantage, clipped).mean() + (returns - value).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            if (old_log_prob - log_prob).mean().abs() > 0.05:
                break
        return loss

    for k in range(3):
        x, action = batch(t, k)[0], t.tensor([0, 1, 1, k % 2])
        with t.no_grad():
            old = actor(x).log_softmax(1).gather(1, action[:, None]).squeeze(1)
        yield update(x, action, old, numbers(t, 4, seed=k), k + 1), everything(actor)
