"""Random numbers: one generator for each device."""

import kuai
from tests.gpu.card import DEVICE, IS_GPU, close


def test_a_seed_repeats_numbers_on_the_device():
    kuai.manual_seed(3)
    first = kuai.randn(5, device=DEVICE)
    kuai.manual_seed(3)
    close(kuai.randn(5, device=DEVICE), first, 0)
    assert not kuai.equal(kuai.randn(5, device=DEVICE), first)


def test_the_host_s_generator_does_not_move_when_the_device_draws():
    kuai.manual_seed(3)
    wanted = kuai.rand(4)
    kuai.manual_seed(3)
    kuai.rand(100, device=DEVICE)
    close(kuai.rand(4), wanted, 0)


def test_a_generator_of_its_own():
    generator = kuai.Generator(device=DEVICE).manual_seed(7)
    state = generator.get_state()
    first = kuai.randint(0, 1000, (6,), generator=generator, device=DEVICE)
    generator.set_state(state)
    close(kuai.randint(0, 1000, (6,), generator=generator, device=DEVICE), first, 0)


def test_dropout_draws_anew_and_repeats_with_the_seed():
    x = kuai.ones(1000, device=DEVICE)
    kuai.manual_seed(1)
    first, second = (kuai.nn.functional.dropout(x, 0.5) for _ in range(2))
    assert not kuai.equal(first, second)
    assert 0.4 < (first == 0).float().mean().item() < 0.6
    kuai.manual_seed(1)
    close(kuai.nn.functional.dropout(x, 0.5), first, 0)


def test_the_state_of_the_device_can_be_kept():
    if not IS_GPU:
        return
    state = kuai.cuda.get_rng_state()
    first = kuai.rand(3, device=DEVICE)
    kuai.cuda.set_rng_state(state)
    close(kuai.rand(3, device=DEVICE), first, 0)
    with kuai.random.fork_rng():
        kuai.rand(3, device=DEVICE)
    kuai.cuda.manual_seed_all(5)


def test_a_device_has_one_generator_however_it_is_named():
    x = kuai.ones(64, device=DEVICE)
    kuai.manual_seed(4)
    first, second = kuai.rand(64, device=DEVICE), kuai.rand_like(x)
    assert not kuai.equal(first, second)
    kuai.manual_seed(4)
    close(kuai.rand(64, device=x.device), first, 0)
    close(kuai.rand(64, device=DEVICE), second, 0)
