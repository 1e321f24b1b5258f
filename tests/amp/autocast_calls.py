"""Calls of everything that PyTorch's two autocast tables name, by the names that stand there.

Each is called with two 4 by 4 matrices of numbers between 0 and 1, whose dtypes the test chooses,
and with the indices 0 to 3.
"""

__all__ = ["CALLS", "INTERNAL", "OTHERS"]


def one(name, *more, **options):
    """A function of one matrix."""
    return lambda t, a, b, index: getattr(t, name)(a, *more, **options)


def both(name, *more, **options):
    """A function of two matrices."""
    return lambda t, a, b, index: getattr(t, name)(a, b, *more, **options)


def functional(name, *more, **options):
    """A function of two matrices from `nn.functional`."""
    return lambda t, a, b, index: getattr(t.nn.functional, name)(a, b, *more, **options)


def scores(name):
    """A loss of scores and the indices of classes."""
    return lambda t, a, b, index: getattr(t.nn.functional, name)(a, index)


def signals(name, ndim, *more, **options):
    """A function of `nn.functional` of a batch with `ndim` dimensions."""
    shape = (1, 1, *{1: (16,), 2: (4, 4), 3: (2, 2, 4)}[ndim])
    return lambda t, a, b, index: getattr(t.nn.functional, name)(a.reshape(shape), *more, **options)


def convolved(name, ndim):
    """A convolution of a batch with `ndim` dimensions."""
    shape = (1, 1, *{1: (16,), 2: (4, 4), 3: (2, 2, 4)}[ndim])
    return lambda t, a, b, index: getattr(t.nn.functional, name)(a.reshape(shape), b.reshape(shape))


def factorized(name, where="linalg"):
    """A function of a matrix that every factorization takes."""
    return lambda t, a, b, index: getattr(getattr(t, where) if where else t, name)(
        t.eye(4, dtype=a.dtype, device=a.device)
    )


def layer(kind, *sizes):
    """A layer with weights in the first matrix's dtype, on the second matrix."""

    def call(t, a, b, index):
        made = getattr(t.nn, kind)(*sizes)
        for module in made.modules():
            for name, weight in list(module.named_parameters(recurse=False)):
                there = t.ones(weight.shape, dtype=a.dtype, device=a.device)
                setattr(module, name, t.nn.Parameter(there))
        return made(b, b, b)[0] if kind == "MultiheadAttention" else made(b)

    return call


CALLS = {
    # In the lower precision.
    "conv1d": convolved("conv1d", 1),
    "conv2d": convolved("conv2d", 2),
    "conv3d": convolved("conv3d", 3),
    "conv_transpose1d": convolved("conv_transpose1d", 1),
    "conv_transpose2d": convolved("conv_transpose2d", 2),
    "conv_transpose3d": convolved("conv_transpose3d", 3),
    "conv_tbc": lambda t, a, b, index: t.conv_tbc(
        a.reshape(4, 2, 2), b.reshape(4, 2, 2), b.select(0, 0).narrow(0, 0, 2)
    ),
    "ctc_loss": lambda t, a, b, index: t.nn.functional.ctc_loss(
        a.reshape(4, 1, 4), index.narrow(0, 1, 2).reshape(1, 2), (4,), (2,)
    ),
    "stft": lambda t, a, b, index: t.stft(a.reshape(16), 8, return_complex=True),
    "max_unpool2d": lambda t, a, b, index: t.nn.functional.max_unpool2d(
        a.reshape(1, 4, 4).narrow(1, 0, 1), index.reshape(1, 1, 4), 2, 2
    ),
    "max_unpool3d": lambda t, a, b, index: t.nn.functional.max_unpool3d(
        a.reshape(1, 1, 4, 4).narrow(2, 0, 1), index.reshape(1, 1, 1, 4), 2, 2
    ),
    "fractional_max_pool2d": signals("fractional_max_pool2d", 2, 2, output_size=2),
    "fractional_max_pool3d": signals("fractional_max_pool3d", 3, 1, output_size=(1, 1, 2)),
    "prelu": lambda t, a, b, index: t.nn.functional.prelu(a, b.select(0, 0).narrow(0, 0, 1)),
    "addmm": lambda t, a, b, index: t.addmm(a, b, b),
    "addmv": lambda t, a, b, index: t.addmv(a.select(0, 0), b, b.select(0, 0)),
    "addr": lambda t, a, b, index: t.addr(a, b.select(0, 0), b.select(0, 0)),
    "addbmm": lambda t, a, b, index: t.addbmm(a, b.unsqueeze(0), b.unsqueeze(0)),
    "baddbmm": lambda t, a, b, index: t.baddbmm(a.unsqueeze(0), b.unsqueeze(0), b.unsqueeze(0)),
    "matmul": lambda t, a, b, index: (
        t.matmul(a, b),
        a @ b,
        a @ b.select(0, 0),
        a.unsqueeze(0) @ b,
    ),
    "mm": both("mm"),
    "mv": lambda t, a, b, index: t.mv(a, b.select(0, 0)),
    "bmm": lambda t, a, b, index: t.bmm(a.unsqueeze(0), b.unsqueeze(0)),
    "einsum": lambda t, a, b, index: t.einsum("ij,jk->ik", a, b),
    "linear": lambda t, a, b, index: t.nn.functional.linear(a, b, b.select(0, 0)),
    "chain_matmul": lambda t, a, b, index: t.chain_matmul(a, b, a),
    "linalg_vecdot": lambda t, a, b, index: t.linalg.vecdot(a, b),
    "linalg_multi_dot": lambda t, a, b, index: t.linalg.multi_dot((a, b)),
    "lstm_cell": layer("LSTMCell", 4, 3),
    "gru_cell": layer("GRUCell", 4, 3),
    "rnn_tanh_cell": layer("RNNCell", 4, 3),
    "rnn_relu_cell": layer("RNNCell", 4, 3, True, "relu"),
    "scaled_dot_product_attention": lambda t, a, b, index: (
        t.nn.functional.scaled_dot_product_attention(
            a.reshape(1, 1, 4, 4), b.reshape(1, 1, 4, 4), b.reshape(1, 1, 4, 4)
        )
    ),
    # In float32 on a GPU.
    "acos": one("acos"),
    "asin": one("asin"),
    "cosh": one("cosh"),
    "erfinv": one("erfinv"),
    "exp": one("exp"),
    "expm1": one("expm1"),
    "log": one("log"),
    "log10": one("log10"),
    "log2": one("log2"),
    "log1p": one("log1p"),
    "reciprocal": one("reciprocal"),
    "rsqrt": one("rsqrt"),
    "sinh": one("sinh"),
    "tan": one("tan"),
    "pow": lambda t, a, b, index: (t.pow(a, 1.7), a**2, a**b, 2.0**a, a ** a.sum()),
    "softplus": lambda t, a, b, index: t.nn.functional.softplus(a),
    "layer_norm": lambda t, a, b, index: t.nn.functional.layer_norm(
        a, (4,), b.select(0, 0), b.select(0, 1)
    ),
    "rms_norm": lambda t, a, b, index: t.nn.functional.rms_norm(a, (4,), b.select(0, 0)),
    "group_norm": lambda t, a, b, index: t.nn.functional.group_norm(
        a, 2, b.select(0, 0), b.select(0, 1)
    ),
    "norm": lambda t, a, b, index: (a.norm(), t.norm(a, dim=0), t.norm(a, 1), t.linalg.norm(a, 1)),
    "nuclear_norm": one("norm", "nuc"),
    "linalg_vector_norm": lambda t, a, b, index: t.linalg.vector_norm(a, 3),
    "linalg_matrix_norm": lambda t, a, b, index: t.linalg.matrix_norm(a),
    "cosine_similarity": functional("cosine_similarity"),
    "poisson_nll_loss": functional("poisson_nll_loss"),
    "cosine_embedding_loss": lambda t, a, b, index: t.nn.functional.cosine_embedding_loss(
        a, b, index.sign()
    ),
    "nll_loss": scores("nll_loss"),
    "nll_loss2d": lambda t, a, b, index: t.nn.functional.nll_loss(
        a.reshape(4, 4, 1, 1), index.reshape(4, 1, 1)
    ),
    "hinge_embedding_loss": functional("hinge_embedding_loss"),
    "kl_div": functional("kl_div", reduction="sum"),
    "l1_loss": functional("l1_loss"),
    "smooth_l1_loss": functional("smooth_l1_loss"),
    "huber_loss": functional("huber_loss"),
    "mse_loss": functional("mse_loss"),
    "margin_ranking_loss": lambda t, a, b, index: t.nn.functional.margin_ranking_loss(a, b, b),
    "multilabel_margin_loss": lambda t, a, b, index: t.nn.functional.multilabel_margin_loss(
        a, index.expand(4, 4)
    ),
    "soft_margin_loss": functional("soft_margin_loss"),
    "triplet_margin_loss": lambda t, a, b, index: t.nn.functional.triplet_margin_loss(
        a, b, a, swap=True
    ),
    "multi_margin_loss": scores("multi_margin_loss"),
    "binary_cross_entropy_with_logits": functional("binary_cross_entropy_with_logits"),
    "dist": both("dist"),
    "pdist": lambda t, a, b, index: t.nn.functional.pdist(a),
    "cdist": both("cdist"),
    "logsumexp": one("logsumexp", 0),
    "upsample_nearest1d": signals("interpolate", 1, 5),
    "upsample_nearest2d": signals("interpolate", 2, 5),
    "upsample_nearest3d": signals("interpolate", 3, 5),
    "_upsample_nearest_exact1d": signals("interpolate", 1, 5, mode="nearest-exact"),
    "_upsample_nearest_exact2d": signals("interpolate", 2, 5, mode="nearest-exact"),
    "_upsample_nearest_exact3d": signals("interpolate", 3, 5, mode="nearest-exact"),
    "upsample_linear1d": signals("interpolate", 1, 5, mode="linear"),
    "upsample_bilinear2d": signals("interpolate", 2, 5, mode="bilinear"),
    "upsample_trilinear3d": signals("interpolate", 3, 5, mode="trilinear"),
    "upsample_bicubic2d": signals("interpolate", 2, 5, mode="bicubic"),
    "prod": lambda t, a, b, index: (a.prod(), t.prod(a, 0)),
    "softmax": lambda t, a, b, index: (a.softmax(0), t.softmax(a, 0, dtype=b.dtype)),
    "log_softmax": lambda t, a, b, index: (a.log_softmax(0), t.nn.functional.log_softmax(a, 0)),
    "cumprod": lambda t, a, b, index: (a.cumprod(0), a.cumprod(0, dtype=b.dtype)),
    "cumsum": lambda t, a, b, index: (a.cumsum(0), a.cumsum(0, dtype=b.dtype)),
    "sum": lambda t, a, b, index: (a.sum(), t.sum(a, 0), a.sum(dtype=b.dtype)),
    # In the widest dtype on a GPU.
    "addcdiv": lambda t, a, b, index: t.addcdiv(a, b, b),
    "addcmul": lambda t, a, b, index: t.addcmul(a, b, a),
    "atan2": both("atan2"),
    "bilinear": lambda t, a, b, index: t.nn.functional.bilinear(
        a, b, a.unsqueeze(0), b.select(0, 0).narrow(0, 0, 1)
    ),
    "cross": lambda t, a, b, index: t.cross(a.narrow(0, 0, 3), b.narrow(0, 0, 3), 0),
    "dot": lambda t, a, b, index: t.dot(a.select(0, 0), b.select(0, 0)),
    "vdot": lambda t, a, b, index: t.vdot(a.select(0, 0), b.select(0, 0)),
    "index_put": lambda t, a, b, index: t.index_put(a, (index,), b),
    "tensordot": both("tensordot", 1),
    "scatter_add": lambda t, a, b, index: t.scatter_add(a, 0, index.expand(4, 4), b),
    # In float32 on a CPU.
    "fake_quantize_per_tensor_affine": one("fake_quantize_per_tensor_affine", 0.1, 0, 0, 255),
    "grid_sampler_2d": lambda t, a, b, index: t.grid_sampler_2d(
        a.reshape(1, 1, 4, 4), b.reshape(1, 2, 4, 2), 0, 0, False
    ),
    "grid_sampler_3d": lambda t, a, b, index: t.grid_sampler_3d(
        a.reshape(1, 1, 2, 2, 4), b.reshape(16).narrow(0, 0, 12).reshape(1, 1, 2, 2, 3), 0, 0, False
    ),
    "avg_pool3d": signals("avg_pool3d", 3, 2),
    "max_pool3d": signals("max_pool3d", 3, 2),
    "adaptive_avg_pool3d": signals("adaptive_avg_pool3d", 3, 2),
    "adaptive_max_pool3d": signals("adaptive_max_pool3d", 3, 2),
    "reflection_pad1d": signals("pad", 1, (1, 1), mode="reflect"),
    "reflection_pad2d": signals("pad", 2, (1, 1) * 2, mode="reflect"),
    "replication_pad1d": signals("pad", 1, (1, 1), mode="replicate"),
    "replication_pad2d": signals("pad", 2, (1, 1) * 2, mode="replicate"),
    "replication_pad3d": signals("pad", 3, (1, 1) * 3, mode="replicate"),
    "cross_entropy_loss": scores("cross_entropy"),
    "binary_cross_entropy": functional("binary_cross_entropy"),
    "polar": both("polar"),
    "view_as_complex": lambda t, a, b, index: t.view_as_complex(a.reshape(4, 2, 2)),
    "quantile": one("quantile", 0.5),
    "nanquantile": one("nanquantile", 0.5),
    "trace": one("trace"),
    "cholesky": factorized("cholesky", None),
    "inverse": factorized("inverse", None),
    "pinverse": factorized("pinverse", None),
    "qr": factorized("qr", None),
    "svd": factorized("svd", None),
    "linalg_cholesky": factorized("cholesky"),
    "linalg_eig": factorized("eig"),
    "linalg_eigh": factorized("eigh"),
    "linalg_eigvals": factorized("eigvals"),
    "linalg_eigvalsh": factorized("eigvalsh"),
    "linalg_inv": factorized("inv"),
    "linalg_matrix_rank": factorized("matrix_rank"),
    "linalg_qr": factorized("qr"),
    "linalg_svd": factorized("svd"),
    "linalg_svdvals": factorized("svdvals"),
    "linalg_lstsq": lambda t, a, b, index: t.linalg.lstsq(a, b).solution,
    "linalg_solve": lambda t, a, b, index: t.linalg.solve(a + 9 * t.eye(4).to(a.dtype), b),
    "linalg_cond": factorized("cond"),
    "linalg_inv_ex": lambda t, a, b, index: t.linalg.inv_ex(a + 9 * t.eye(4).to(a.dtype)).inverse,
    "linalg_cholesky_ex": lambda t, a, b, index: (
        t.linalg.cholesky_ex(a.tril() + 9 * t.eye(4).to(a.dtype)).L
    ),
    "linalg_householder_product": lambda t, a, b, index: t.linalg.householder_product(
        a, a.select(0, 0)
    ),
    "orgqr": lambda t, a, b, index: t.orgqr(a, a.select(0, 0)),
    "ormqr": lambda t, a, b, index: t.ormqr(a, a.select(0, 0), b),
    "geqrf": lambda t, a, b, index: t.geqrf(a),
    "linalg_tensorinv": lambda t, a, b, index: t.linalg.tensorinv(a + 9 * t.eye(4).to(a.dtype), 1),
    "linalg_tensorsolve": lambda t, a, b, index: t.linalg.tensorsolve(
        a + 9 * t.eye(4).to(a.dtype), b.select(0, 0)
    ),
    "cholesky_inverse": lambda t, a, b, index: t.cholesky_inverse(a + 9 * t.eye(4).to(a.dtype)),
    "cholesky_solve": lambda t, a, b, index: t.cholesky_solve(b, a + 9 * t.eye(4).to(a.dtype)),
    "triangular_solve": lambda t, a, b, index: t.triangular_solve(b, a + 9 * t.eye(4).to(a.dtype)),
    "lu_solve": lambda t, a, b, index: t.lu_solve(
        b, a + 9 * t.eye(4).to(a.dtype), t.ones(4, dtype=t.int32)
    ),
    **{
        f"fft_{name}": lambda t, a, b, index, name=name: getattr(t.fft, name)(a)
        for name in (
            *("fft", "fft2", "fftn", "hfft", "ifft", "ifft2", "ifftn", "ihfft"),
            *("irfft", "irfft2", "irfftn", "rfft", "rfft2", "rfftn"),
        )
    },
    "renorm": lambda t, a, b, index: t.renorm(a, 2, 0, 1.0),
    # In the widest dtype on a CPU.
    "stack": lambda t, a, b, index: t.stack((a, b)),
    "cat": lambda t, a, b, index: t.cat((a, b)),
    "index_copy": lambda t, a, b, index: t.index_copy(a, 0, index, b),
}

#: Calls that the tables do not name: what is made of those that they do, and what stays as it is.
OTHERS = {
    "add": lambda t, a, b, index: a + b,
    "multiply": lambda t, a, b, index: a * b,
    "sqrt": one("sqrt"),
    "square": one("square"),
    "integrals": lambda t, a, b, index: (t.trapezoid(a), t.cumulative_trapezoid(a, b)),
    "powers of matrices": lambda t, a, b, index: [t.matrix_power(a, n) for n in (0, 1, 2, 3)],
    "mean": one("mean"),
    "var": one("var"),
    "relu": one("relu"),
    "gelu": lambda t, a, b, index: t.nn.functional.gelu(a),
    "sigmoid": one("sigmoid"),
    "maximum": both("maximum"),
    "where": lambda t, a, b, index: t.where(a > 0.5, a, b),
    "inner": both("inner"),
    "inner of vectors": lambda t, a, b, index: t.inner(a.select(0, 0), b.select(0, 0)),
    "tensordot over all": lambda t, a, b, index: (t.tensordot(a, b, 2), t.tensordot(a, b, 0)),
    "einsum, products": lambda t, a, b, index: [
        t.einsum(equation, a, b)
        for equation in (
            "ij,ij->ij",
            "ij,kl->ijkl",
            "ij,kl->j",
            "ij,ij->",
            "ij,jk",
            "...j,...j->...",
        )
    ],
    "einsum of one": lambda t, a, b, index: (t.einsum("ij->ji", a), t.einsum("ij->", a)),
    "einsum of three": lambda t, a, b, index: (
        t.einsum("ij,jk,kl->il", a, b, a),
        t.einsum("ij,ij,jk->ik", a, b, a),
    ),
    "covariances": lambda t, a, b, index: (t.cov(a), t.corrcoef(a), t.cov(a.select(0, 0))),
    "linalg.pinv": lambda t, a, b, index: t.linalg.pinv(a),
    "affine_grid": lambda t, a, b, index: t.nn.functional.affine_grid(
        t.stack((a.reshape(-1).narrow(0, 0, 3), b.reshape(-1).narrow(0, 0, 3))).unsqueeze(0),
        (1, 1, 2, 2),
        align_corners=False,
    ),
    "outer": lambda t, a, b, index: t.outer(a.select(0, 0), b.select(0, 0)),
    "kron": both("kron"),
    "trace and cat": lambda t, a, b, index: (a.trace(), t.cat((a, b)), t.stack((b, a))),
    "avg_pool": signals("avg_pool3d", 3, 2),
    "max_pool": signals("max_pool3d", 3, 2),
    "hstack": lambda t, a, b, index: t.hstack((a, b)),
    "softmin": lambda t, a, b, index: t.nn.functional.softmin(a, 0),
    "normalize": lambda t, a, b, index: t.nn.functional.normalize(a),
    "batch_norm": lambda t, a, b, index: t.nn.functional.batch_norm(a, None, None, training=True),
    "instance_norm": signals("instance_norm", 2),
    "local_response_norm": signals("local_response_norm", 2, 2),
    "pairwise_distance": functional("pairwise_distance"),
    "multilabel_soft_margin_loss": functional("multilabel_soft_margin_loss"),
    "triplet_margin_with_distance_loss": lambda t, a, b, index: (
        t.nn.functional.triplet_margin_with_distance_loss(a, b, a)
    ),
    "avg_pool2d": signals("avg_pool2d", 2, 2),
    "lp_pool2d": signals("lp_pool2d", 2, 2, 2),
    "circular_pad": signals("pad", 1, (1, 1), mode="circular"),
    "constant_pad": signals("pad", 1, (1, 1)),
    "reflection_pad3d": signals("pad", 3, (1, 1) * 3, mode="reflect"),
    "lstm": layer("LSTM", 4, 3),
    "gru": layer("GRU", 4, 3),
    "rnn": layer("RNN", 4, 3),
    "multi_head_attention": layer("MultiheadAttention", 4, 2),
    "matmul in place": lambda t, a, b, index: a.clone().addmm_(b, b),
    "exp in place": lambda t, a, b, index: a.clone().exp_(),
    "mm into": lambda t, a, b, index: t.mm(a, a, out=t.zeros_like(a)),
    "product of softmax": lambda t, a, b, index: t.nn.functional.softmax(a, dim=-1) @ b,
}

#: What the tables name that is reached through another name of theirs.
INTERNAL = {
    "_addmm_activation", "_convolution", "_grid_sampler_2d_cpu_fallback", "_lu_with_info",
    "grid_sampler", "_native_multi_head_attention", "_scaled_dot_product_flash_attention",
    "_thnn_fused_gru_cell", "_thnn_fused_lstm_cell", "_upsample_bicubic2d_aa",
    "_upsample_bilinear2d_aa", "convolution", "cudnn_convolution", "cudnn_convolution_transpose",
    "frobenius_norm", "mkldnn_rnn_layer", "multilabel_margin_loss_forward", "native_layer_norm",
}  # fmt: skip
