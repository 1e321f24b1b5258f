"""Creating tensors, random ones too, and converting them."""

from tests.rowkit import A, Row


def same(name, call, *inputs, **options):
    return Row(name, call, *inputs, **{"grad": False, **options})


ROWS = [
    same("tensor", lambda t: (t.tensor(3), t.tensor([1.5, 2]), t.tensor([[True], [False]]))),
    same("tensor with dtype", lambda t: t.tensor([1, 2], dtype=t.float64)),
    same("complex", lambda t: t.tensor([1 + 2j, 3])),
    same("as_tensor", lambda t, x: (t.as_tensor(x), t.as_tensor([1, 2], dtype=t.float32)), A(2)),
    same("asarray", lambda t: t.asarray([1.0])),
    same("zeros", lambda t: (t.zeros(2, 3), t.zeros((2,), dtype=t.int32), t.zeros(()))),
    same("ones", lambda t: (t.ones(2, 3), t.ones([2], dtype=t.bool))),
    same("empty", lambda t: (t.empty(2, 3).shape, t.empty((0, 4)))),
    same("full", lambda t: (t.full((2,), 1.5), t.full((2, 1), 3), t.full((), True))),
    same(
        "like",
        lambda t, x: (t.zeros_like(x), t.ones_like(x, dtype=t.int64), t.full_like(x, 3)),
        A(2),
    ),
    same("empty_like", lambda t, x: t.empty_like(x).shape, A(2)),
    same(
        "new",
        lambda t, x: (x.new_zeros(2), x.new_ones((1, 2)), x.new_full((2,), 7), x.new_tensor([1])),
        A(2),
        dtypes=("float32", "int64"),
    ),
    same("new_empty", lambda t, x: x.new_empty(2, 3).shape, A(2)),
    same("arange", lambda t: (t.arange(5), t.arange(1, 2, 0.3), t.arange(5, 0, -2), t.arange(3.0))),
    same(
        "linspace",
        lambda t: (t.linspace(0, 1, 5), t.linspace(-3, 2, 1), t.linspace(1, 10, 4, dtype=t.int64)),
    ),
    same("logspace", lambda t: (t.logspace(0, 2, 5), t.logspace(0, 3, 4, base=2)), rtol=1e-5),
    same("eye", lambda t: (t.eye(3), t.eye(2, 3), t.eye(3, 1, dtype=t.int64))),
    same("tril_indices", lambda t: (t.tril_indices(3, 4), t.triu_indices(3, 4, 1))),
    same("scalar_tensor", lambda t: t.scalar_tensor(3)),
    same("typed", lambda t: (t.FloatTensor([1, 2]), t.LongTensor([3]), t.DoubleTensor(2, 3).shape)),
    same("numel", lambda t, x: (t.numel(x), x.dim(), x.element_size(), t.is_tensor(x)), A(2, 3)),
    Row("to", lambda t, x: (x.to(t.float64), x.double().float(), x.to("cpu"), x.to(x)), A(2)),
    Row("half", lambda t, x: (x.half().float(), x.bfloat16().float()), A(2)),
    same("to integers", lambda t, x: (x.long(), x.int(), x.short(), x.bool(), x.char()), A(5)),
    same(
        "type",
        lambda t, x: (x.type(), x.type(t.int64), x.type_as(t.ones(1, dtype=t.float64))),
        A(2),
    ),
    same(
        "item",
        lambda t, x: (x[0].item(), x.tolist(), len(x), float(x[1]), int(x[1])),
        A(2),
        dtypes=("float64", "int64"),
        compiled=False,
    ),
    same("fill", lambda t, x: (x.clone().fill_(3), x.clone().zero_(), t.fill(x, 2)), A(2, 3)),
    same("copy_", lambda t, x, y: x.clone().copy_(y), A(2, 3), A(3, dtype="float64")),
    same("fill_diagonal_", lambda t, x: x.clone().fill_diagonal_(3), A(3, 3)),
    Row("rand", lambda t: (t.rand(2, 3), t.rand((2,), dtype=t.float64)), random=True),
    Row("randn", lambda t: (t.randn(2, 3), t.randn([2])), random=True),
    Row("randint", lambda t: (t.randint(5, (2, 3)), t.randint(-2, 3, (4,))), random=True),
    Row("randperm", lambda t: t.randperm(5), random=True),
    Row(
        "rand_like",
        lambda t, x: (t.rand_like(x), t.randn_like(x), t.randint_like(x, 3)),
        A(2, 3),
        random=True,
    ),
    Row(
        "normal",
        lambda t, x: (t.normal(x, 1.0), t.normal(0.0, x.abs()), t.normal(0, 1, (2, 3))),
        A(2),
        random=True,
    ),
    Row(
        "bernoulli",
        lambda t, x: (t.bernoulli(x), x.clone().bernoulli_(0.3)),
        A(2, 3, low=0, high=1),
        random=True,
    ),
    Row(
        "multinomial",
        lambda t, x: (t.multinomial(x, 2), x.multinomial(5, True)),
        A(2, 3, positive=True),
        random=True,
    ),
    Row("poisson", lambda t, x: t.poisson(x), A(2, 3, positive=True), random=True),
    Row(
        "in place",
        lambda t, x: (
            x.clone().uniform_(1, 2),
            x.clone().normal_(),
            x.clone().exponential_(),
            x.clone().random_(3),
            x.clone().cauchy_(),
            x.clone().geometric_(0.5),
            x.clone().log_normal_(),
        ),
        A(2, 3),
        random=True,
    ),
    Row("complex from parts", lambda t, x, y: t.complex(x, y), A(2, 1), A(3)),
    Row("polar", lambda t, x, y: t.polar(x, y), A(2, positive=True), A(2)),
    Row("angle", lambda t, x: t.angle(x), A(2, 3), dtypes=("complex64",)),
    same("angle of real numbers", lambda t, x: (t.angle(x), x.long().angle()), A(5)),
    same("combinations", lambda t, x: (t.combinations(x), t.combinations(x, 3, True)), A(4)),
]
