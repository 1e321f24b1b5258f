"""Optimizers as people write them: PyTorch's template, formulas of papers, each in its habits."""

import math


def optimizers_of(t):
    """The classes, on PyTorch or on Kuai."""
    torch, Optimizer = t, t.optim.Optimizer

    class Lion(Optimizer):
        """Chen et al. 2023, Symbolic Discovery of Optimization Algorithms, algorithm 2."""

        def __init__(
            self,
            params,
            lr=0.0001,
            betas=(0.9, 0.99),
            weight_decay=0.0,
            decoupled_weight_decay=False,
        ):
            assert lr > 0.0 and all(0.0 <= b <= 1.0 for b in betas)
            self._init_lr = lr
            self.decoupled_wd = decoupled_weight_decay
            super().__init__(params, dict(lr=lr, betas=betas, weight_decay=weight_decay))

        @torch.no_grad()
        def step(self, closure=None):
            loss = None
            if closure is not None:
                with torch.enable_grad():
                    loss = closure()
            for group in self.param_groups:
                for p in filter(lambda p: p.grad is not None, group["params"]):
                    grad, lr, wd, (b1, b2), state = (
                        p.grad,
                        group["lr"],
                        group["weight_decay"],
                        group["betas"],
                        self.state[p],
                    )
                    if len(state) == 0:
                        state["exp_avg"] = torch.zeros_like(p)
                    e = state["exp_avg"]
                    p.data.mul_(1.0 - lr * wd)
                    update = e.clone().mul_(b1).add(grad, alpha=1.0 - b1).sign_()
                    p.add_(update, alpha=-lr)
                    e.mul_(b2).add_(grad, alpha=1.0 - b2)
            return loss

    class Adan(Optimizer):
        """Xie et al. 2022, Adan: Adaptive Nesterov Momentum Algorithm, algorithm 1."""

        def __init__(
            self,
            params,
            lr=0.001,
            betas=(0.98, 0.92, 0.99),
            eps=1e-08,
            weight_decay=0.02,
            max_grad_norm=1.0,
        ):
            super().__init__(
                params,
                dict(
                    lr=lr,
                    betas=betas,
                    eps=eps,
                    weight_decay=weight_decay,
                    max_grad_norm=max_grad_norm,
                ),
            )

        def __setstate__(self, state):
            super().__setstate__(state)
            for g in self.param_groups:
                g.setdefault("no_prox", False)

        @torch.no_grad()
        def step(self, closure=None):
            loss = None
            if closure is not None:
                with torch.enable_grad():
                    loss = closure()
            device = self.param_groups[0]["params"][0].device
            gn = torch.zeros(1, device=device)
            for group in self.param_groups:
                for p in group["params"]:
                    if p.grad is not None:
                        gn.add_(p.grad.pow(2).sum())
            gn = torch.sqrt(gn)
            clip = torch.clamp(self.defaults["max_grad_norm"] / (gn + 1e-08), max=1.0)
            for group in self.param_groups:
                b1, b2, b3 = group["betas"]
                if "step" in group:
                    group["step"] += 1
                else:
                    group["step"] = 1
                bc1 = 1 - b1 ** group["step"]
                bc2 = 1 - b2 ** group["step"]
                bc3 = 1 - b3 ** group["step"]
                for p in group["params"]:
                    if p.grad is None:
                        continue
                    state = self.state[p]
                    if len(state) == 0:
                        state["exp_avg"] = torch.zeros_like(p)
                        state["exp_avg_sq"] = torch.zeros_like(p)
                        state["exp_avg_diff"] = torch.zeros_like(p)
                    grad = p.grad.mul_(clip)
                    if "pre_grad" not in state or group["step"] == 1:
                        state["pre_grad"] = grad.clone()
                    diff = grad - state["pre_grad"]
                    up = grad + b2 * diff
                    state["exp_avg"].mul_(b1).add_(grad, alpha=1 - b1)
                    state["exp_avg_diff"].mul_(b2).add_(diff, alpha=1 - b2)
                    state["exp_avg_sq"].mul_(b3).addcmul_(up, up, value=1 - b3)
                    den = (state["exp_avg_sq"].sqrt() / math.sqrt(bc3)).add_(group["eps"])
                    p.addcdiv_(state["exp_avg"], den, value=-group["lr"] / bc1)
                    p.addcdiv_(state["exp_avg_diff"], den, value=-group["lr"] * b2 / bc2)
                    p.data.div_(1 + group["lr"] * group["weight_decay"])
                    state["pre_grad"].copy_(grad)
            return loss

    class LARS(Optimizer):
        """You et al. 2017, Large Batch Training of Convolutional Networks, algorithm 1."""

        def __init__(
            self,
            params,
            lr,
            momentum=0.9,
            weight_decay=0.0001,
            trust_coefficient=0.001,
            eps=1e-08,
            nesterov=False,
        ):
            super().__init__(
                params,
                dict(
                    lr=lr,
                    momentum=momentum,
                    weight_decay=weight_decay,
                    trust_coefficient=trust_coefficient,
                    eps=eps,
                    nesterov=nesterov,
                ),
            )

        @torch.no_grad()
        def step(self, closure=None):
            loss = None if closure is None else torch.enable_grad()(closure)()
            for g in self.param_groups:
                for p in g["params"]:
                    if p.grad is None:
                        continue
                    d_p = p.grad
                    pn = torch.norm(p.data)
                    gn = torch.norm(p.grad.data)
                    if g["weight_decay"] != 0 and pn != 0 and (gn != 0):
                        lars = (
                            pn / (gn + pn * g["weight_decay"] + g["eps"]) * g["trust_coefficient"]
                        )
                        d_p = d_p.add(p, alpha=g["weight_decay"])
                        d_p = d_p.mul(lars)
                    st = self.state[p]
                    if "momentum_buffer" not in st:
                        buf = st["momentum_buffer"] = torch.clone(d_p).detach()
                    else:
                        buf = st["momentum_buffer"]
                        buf.mul_(g["momentum"]).add_(d_p)
                    d_p = d_p.add(buf, alpha=g["momentum"]) if g["nesterov"] else buf
                    p.add_(d_p, alpha=-g["lr"])
            return loss

    class SophiaG(Optimizer):
        """Liu et al. 2023, Sophia, algorithm 3, with the Gauss-Newton estimate."""

        def __init__(
            self,
            params,
            lr=0.01,
            betas=(0.965, 0.99),
            rho=0.04,
            weight_decay=0.1,
            *,
            maximize=False,
            capturable=False,
        ):
            super().__init__(
                params,
                dict(
                    lr=lr,
                    betas=betas,
                    rho=rho,
                    weight_decay=weight_decay,
                    maximize=maximize,
                    capturable=capturable,
                ),
            )

        @torch.no_grad()
        def update_hessian(self):
            for g in self.param_groups:
                b1, b2 = g["betas"]
                for p in g["params"]:
                    if p.grad is None:
                        continue
                    s = self.state[p]
                    if len(s) == 0:
                        s["step"] = torch.tensor(0.0)
                        s["exp_avg"] = torch.zeros_like(p, memory_format=torch.preserve_format)
                        s["hessian"] = torch.zeros_like(p, memory_format=torch.preserve_format)
                    s["hessian"].mul_(b2).addcmul_(p.grad, p.grad, value=1 - b2)

        @torch.no_grad()
        def step(self, closure=None, bs=32):
            loss = None
            if closure is not None:
                with torch.enable_grad():
                    loss = closure()
            for g in self.param_groups:
                b1, b2 = g["betas"]
                ps, gs, es, ss, hs = ([], [], [], [], [])
                for p in g["params"]:
                    if p.grad is None:
                        continue
                    s = self.state[p]
                    if len(s) == 0:
                        s["step"] = torch.tensor(0.0)
                        s["exp_avg"] = torch.zeros_like(p)
                        s["hessian"] = torch.zeros_like(p)
                    ps.append(p)
                    gs.append(p.grad)
                    es.append(s["exp_avg"])
                    ss.append(s["step"])
                    hs.append(s["hessian"])
                for p, gr, e, st, h in zip(ps, gs, es, ss, hs, strict=True):
                    gr = gr if not g["maximize"] else -gr
                    st += 1
                    p.mul_(1 - g["lr"] * g["weight_decay"])
                    e.mul_(b1).add_(gr, alpha=1 - b1)
                    ratio = (e.abs() / (g["rho"] * bs * h + 1e-15)).clamp(None, 1)
                    p.addcmul_(e.sign(), ratio, value=-g["lr"])
            return loss

    def matrix_power(m, p):
        u, s, v = torch.svd(m)
        return u @ s.pow_(p).diag() @ v.t()

    class Shampoo(Optimizer):
        """Gupta et al. 2018, Shampoo, algorithm 2."""

        def __init__(
            self, params, lr=0.1, momentum=0.9, weight_decay=0.01, epsilon=0.0001, update_freq=1
        ):
            super().__init__(
                params,
                dict(
                    lr=lr,
                    momentum=momentum,
                    weight_decay=weight_decay,
                    epsilon=epsilon,
                    update_freq=update_freq,
                ),
            )

        def step(self, closure=None):
            loss = None
            if closure is not None:
                loss = closure()
            for group in self.param_groups:
                for p in group["params"]:
                    if p.grad is None:
                        continue
                    grad = p.grad.data
                    order = grad.ndimension()
                    orig = grad.size()
                    state = self.state[p]
                    if len(state) == 0:
                        state["step"] = 0
                        if group["momentum"] > 0:
                            state["momentum_buffer"] = grad.clone()
                        for d, dim in enumerate(grad.size()):
                            state[f"precond_{d}"] = group["epsilon"] * torch.eye(
                                dim, out=grad.new(dim, dim)
                            )
                            state[f"inv_precond_{d}"] = grad.new(dim, dim).zero_()
                    if group["momentum"] > 0:
                        grad.mul_(1 - group["momentum"]).add_(
                            state["momentum_buffer"], alpha=group["momentum"]
                        )
                    if group["weight_decay"] > 0:
                        grad.add_(p.data, alpha=group["weight_decay"])
                    for d, dim in enumerate(grad.size()):
                        pre = state[f"precond_{d}"]
                        inv = state[f"inv_precond_{d}"]
                        grad = grad.transpose_(0, d).contiguous()
                        ts = grad.size()
                        grad = grad.view(dim, -1)
                        gt = grad.t()
                        pre.add_(grad @ gt)
                        if state["step"] % group["update_freq"] == 0:
                            inv.copy_(matrix_power(pre, -1 / order))
                        if d == order - 1:
                            grad = gt @ inv
                            grad = grad.view(orig)
                        else:
                            grad = inv @ grad
                            grad = grad.view(ts)
                    state["step"] += 1
                    state["momentum_buffer"] = grad
                    p.data.add_(grad, alpha=-group["lr"])
            return loss

    class Prodigy(Optimizer):
        """Mishchenko and Defazio 2023, Prodigy, algorithm 4."""

        def __init__(
            self,
            params,
            lr=1.0,
            betas=(0.9, 0.999),
            beta3=None,
            eps=1e-08,
            weight_decay=0,
            d0=1e-06,
            d_coef=1.0,
            growth_rate=float("inf"),
        ):
            super().__init__(
                params,
                dict(
                    lr=lr,
                    betas=betas,
                    beta3=beta3,
                    eps=eps,
                    weight_decay=weight_decay,
                    d=d0,
                    d0=d0,
                    d_max=d0,
                    d_numerator=0.0,
                    d_coef=d_coef,
                    k=0,
                    growth_rate=growth_rate,
                ),
            )
            self.d0 = d0

        def step(self, closure=None):
            loss = closure() if closure is not None else None
            d_denom = 0.0
            group = self.param_groups[0]
            beta1, beta2 = group["betas"]
            beta3 = group["beta3"] or math.sqrt(beta2)
            k = group["k"]
            d = group["d"]
            d_max = group["d_max"]
            lr = max(g["lr"] for g in self.param_groups)
            dlr = d * lr
            d_numerator = group["d_numerator"] * beta3
            for group in self.param_groups:
                for p in group["params"]:
                    if p.grad is None:
                        continue
                    grad = p.grad.data
                    state = self.state[p]
                    if "step" not in state:
                        state["step"] = 0
                        state["s"] = torch.zeros_like(p.data).detach()
                        state["p0"] = p.detach().clone()
                        state["exp_avg"] = torch.zeros_like(p.data).detach()
                        state["exp_avg_sq"] = torch.zeros_like(p.data).detach()
                    d_numerator += (
                        d
                        / group["d0"]
                        * dlr
                        * torch.dot(grad.flatten(), (state["p0"].data - p.data).flatten()).item()
                    )
                    state["exp_avg"].mul_(beta1).add_(grad, alpha=d * (1 - beta1))
                    state["exp_avg_sq"].mul_(beta2).addcmul_(grad, grad, value=d * d * (1 - beta2))
                    state["s"].mul_(beta3).add_(grad, alpha=d / group["d0"] * dlr)
                    d_denom += state["s"].abs().sum().item()
            d_hat = d
            if d_denom == 0:
                return loss
            if lr > 0.0:
                d_hat = group["d_coef"] * d_numerator / d_denom
                if d == group["d0"]:
                    d = max(d, d_hat)
                d_max = max(d_max, d_hat)
                d = min(d_max, d * group["growth_rate"])
            for group in self.param_groups:
                group.update(d_numerator=d_numerator, d=d, d_max=d_max, d_hat=d_hat)
                for p in group["params"]:
                    if p.grad is None:
                        continue
                    state = self.state[p]
                    state["step"] += 1
                    den = state["exp_avg_sq"].sqrt().add_(d * group["eps"])
                    if group["weight_decay"] != 0:
                        p.data.add_(p.data, alpha=-group["weight_decay"] * dlr)
                    p.data.addcdiv_(state["exp_avg"], den, value=-dlr)
                group["k"] = k + 1
            return loss

    class SAM(Optimizer):
        """Foret et al. 2020, Sharpness-Aware Minimization, algorithm 1."""

        def __init__(self, params, base, rho=0.05, **kw):
            super().__init__(params, dict(rho=rho, **kw))
            self.base = base(self.param_groups, **kw)
            self.param_groups = self.base.param_groups
            self.defaults.update(self.base.defaults)

        @torch.no_grad()
        def first_step(self, zero_grad=False):
            norm = torch.norm(
                torch.stack(
                    [
                        p.grad.norm(p=2)
                        for g in self.param_groups
                        for p in g["params"]
                        if p.grad is not None
                    ]
                ),
                p=2,
            )
            for g in self.param_groups:
                s = g["rho"] / (norm + 1e-12)
                for p in g["params"]:
                    if p.grad is None:
                        continue
                    self.state[p]["old_p"] = p.data.clone()
                    p.add_(p.grad * s.to(p))
            if zero_grad:
                self.zero_grad()

        @torch.no_grad()
        def step(self, closure=None):
            closure = torch.enable_grad()(closure)
            self.first_step(True)
            closure()
            for g in self.param_groups:
                for p in g["params"]:
                    p.data = self.state[p]["old_p"]
            self.base.step()

    class Foreach(Optimizer):
        """SGD with momentum, by functions of lists."""

        def __init__(self, params, lr=0.1):
            super().__init__(params, dict(lr=lr, m=0.9))

        def step(self, closure=None):
            with torch.no_grad():
                for g in self.param_groups:
                    ps = [p for p in g["params"] if p.grad is not None]
                    gs = [p.grad for p in ps]
                    bufs = [self.state[p].setdefault("b", torch.zeros_like(p)) for p in ps]
                    torch._foreach_mul_(bufs, g["m"])
                    torch._foreach_add_(bufs, gs)
                    torch._foreach_add_(ps, bufs, alpha=-g["lr"])
                    n = torch._foreach_norm(gs)
                    self.last = n

    return {
        "lion": lambda p: Lion(p, lr=1e-2, weight_decay=0.1),
        "adan": Adan,
        "lars": lambda p: LARS(p, lr=0.5),
        "sophia": SophiaG,
        "shampoo": Shampoo,
        "prodigy": Prodigy,
        "sam": lambda p: SAM(p, torch.optim.SGD, lr=0.1, momentum=0.9),
        "foreach": Foreach,
    }
