//! The device's account of work: every op adds what its kernel's own count says, whatever the threads, and nothing else.

use kernels::{attention, combine, conv, copy, cross_entropy, gather, matmul, multiply, optim, pointwise};
use kernels::{norm, pool, reduce, resize, softmax};
use tensor::ops::norm::Norm;
use tensor::ops::optim::{AdamStep, Numbers, Rate, Slot};
use tensor::ops::pointwise::Function;
use tensor::ops::random::Stream;
use tensor::{Cost, DType, Device, Result, Tensor};

const F32: DType = DType::F32;
const EXP: Function = Function::Exp;

/// One run of an op and what it must have added.
struct Row {
    op: &'static str,
    run: Box<dyn Fn() -> Result<()>>,
    cost: Cost,
}

fn row<T>(op: &'static str, cost: Cost, run: impl Fn() -> Result<T> + 'static) -> Row {
    Row { op, run: Box::new(move || run().map(drop)), cost }
}

fn ones(device: &Device, shape: &[usize]) -> Tensor {
    Tensor::full(device, F32, shape, 1.0).unwrap()
}

fn elementwise(device: &Device) -> Vec<Row> {
    let (x, column) = (ones(device, &[3, 5]), ones(device, &[3, 1]));
    let l = *x.layout();
    let stream = Stream { seed: 0, purpose: 0, step: 0 };
    let of = |run: fn(&Tensor, &Tensor) -> Result<Tensor>| {
        let (x, column) = (x.clone(), column.clone());
        move || run(&x, &column)
    };
    let drawn = device.clone();
    vec![
        row("add", combine::forward_cost(2, &l, F32), of(|x, column| x.add(column))),
        row("scale", combine::forward_cost(1, &l, F32), of(|x, _| x.scale(2.0))),
        row("mul", multiply::forward_cost(&l, F32), of(|x, column| x.mul(column))),
        row("map", pointwise::apply_cost(&l, F32), of(|x, _| x.map(EXP, 0))),
        row("map_scaled", pointwise::scaled_cost(&l, F32), of(|x, column| x.map_scaled(EXP, 1, column))),
        row("copy", copy::copy_cost(&l, F32, F32), of(|x, _| x.copy())),
        row("cast", copy::copy_cost(&l, F32, DType::F64), of(|x, _| x.cast(DType::F64))),
        row("reshape", Cost::default(), of(|x, _| x.reshape(&[15]))),
        row("sum", reduce::sum_cost(&l, column.layout(), F32), of(|x, _| x.sum_keep(&[1]))),
        row("max", reduce::sum_cost(&l, column.layout(), F32), of(|x, _| x.max_keep(&[1]))),
        row("softmax", softmax::forward_cost(&l), of(|x, _| x.softmax())),
        row("softmax_backward", softmax::backward_cost(&l), of(|x, _| x.softmax_backward(x))),
        row("normal", copy::fill_cost(&l, F32), move || Tensor::normal(&drawn, F32, &[3, 5], &stream, 0)),
    ]
}

fn indexed(device: &Device) -> Vec<Row> {
    let x = ones(device, &[4, 6]);
    let index = Tensor::from_slice(device, &[3], &[2i64, 0, 2]).unwrap();
    let labels = Tensor::from_slice(device, &[4], &[0i64, 5, 2, 3]).unwrap();
    let (picked, g) = (ones(device, &[3, 6]), ones(device, &[4]));
    let l = *x.layout();
    let scattered = gather::scatter_add_cost(picked.layout(), &l, F32);
    let of = |run: fn(&Tensor, [&Tensor; 4]) -> Result<Tensor>| {
        let (x, others) = (x.clone(), [index.clone(), labels.clone(), picked.clone(), g.clone()]);
        move || run(&x, others.each_ref())
    };
    vec![
        row("gather", gather::forward_cost(picked.layout(), F32), of(|x, [index, ..]| x.gather(0, index))),
        row("scatter_add", scattered, of(|_, [index, _, picked, _]| picked.scatter_add(0, index, 4))),
        row("cross_entropy", cross_entropy::forward_cost(&l), of(|x, [_, labels, ..]| x.cross_entropy(labels))),
        row(
            "cross_entropy_backward",
            cross_entropy::backward_cost(&l),
            of(|x, [_, labels, _, g]| x.cross_entropy_backward(labels, g)),
        ),
    ]
}

fn products(device: &Device) -> Vec<Row> {
    let (a, b, weight) = (ones(device, &[2, 3, 4]), ones(device, &[4, 5]), ones(device, &[5, 4]));
    let product = matmul::forward_cost(a.layout(), b.layout());
    let rows = ones(device, &[6, 4]);
    let linear = matmul::forward_cost(rows.layout(), b.layout());
    assert_eq!((product.flops, linear.flops), (2 * 6 * 4 * 5, 2 * 6 * 4 * 5));
    let (q, p) = (ones(device, &[2, 3, 4, 5]), attention::Attention { scale: 0.5 });
    let [forward, backward] =
        [attention::forward_cost, attention::backward_cost].map(|cost| cost(q.layout(), q.layout(), q.layout()));
    let (out, lse) = q.attention(&q, &q, &p).unwrap();
    let (left, again) = (a.clone(), q.clone());
    vec![
        row("matmul", product, move || left.matmul(&b)),
        row("linear", linear, move || a.linear(&weight, None)),
        row("attention", forward, move || q.attention(&q, &q, &p)),
        row("attention_backward", backward, move || Tensor::attention_backward([&again; 3], [&out, &lse], &out, &p)),
    ]
}

fn images(device: &Device) -> Vec<Row> {
    let x = ones(device, &[2, 4, 6, 8]).channels_last().unwrap();
    let (weight, p) = (ones(device, &[6, 2, 3, 3]), conv::Conv { groups: 2, ..conv::Conv::padded(1) });
    let (small, wide) = (ones(device, &[2, 4, 3, 4]), ones(device, &[2, 6, 6, 8]).channels_last().unwrap());
    let convolved = conv::cost(&p, x.layout(), weight.layout());
    assert_eq!(convolved.flops, 2 * (2 * 6 * 6 * 8) * (2 * 9));
    let halves = pool::Pool { kernel: [2, 2], stride: [2, 2] };
    let resized = resize::nearest_cost(small.layout(), x.layout(), F32);
    let shrunk = resize::nearest_cost(x.layout(), small.layout(), F32);
    let pooled = pool::average_cost(&halves, x.layout(), small.layout(), F32);
    let of = |run: fn(&Tensor, [&Tensor; 3], &conv::Conv, &pool::Pool) -> Result<Tensor>| {
        let (x, others) = (x.clone(), [weight.clone(), small.clone(), wide.clone()]);
        move || run(&x, others.each_ref(), &p, &halves)
    };
    vec![
        row("conv2d", convolved, of(|x, [w, ..], p, _| x.conv2d(w, None, p))),
        row("input_gradient", convolved, of(|x, [w, _, g], p, _| g.conv2d_input_gradient(w, p, x.shape()))),
        row("weight_gradient", convolved, of(|x, [w, _, g], p, _| x.conv2d_weight_gradient(g, p, w.shape()))),
        row("resize", resized, of(|_, [_, small, _], _, _| small.resize_nearest([6, 8]))),
        row("resize_adjoint", shrunk, of(|x, _, _, _| x.resize_nearest_adjoint([3, 4]))),
        row("average_pool", pooled, of(|x, _, _, pool| x.average_pool(pool))),
        row("average_pool_adjoint", pooled, of(|_, [_, small, _], _, pool| small.average_pool_adjoint(pool, [6, 8]))),
    ]
}

fn norms(device: &Device) -> Vec<Row> {
    let x = ones(device, &[2, 4, 6, 8]).channels_last().unwrap();
    let (group, layer) =
        (norm::GroupNorm { groups: 2, eps: 1e-5, silu: true }, norm::LayerNorm { eps: 1e-5, silu: false });
    let flat = ones(device, &[3, 8]);
    let (l, f) = (*x.layout(), *flat.layout());
    let cases = [
        (Norm::Group(group), x, norm::group_forward_cost(&group, &l), norm::group_backward_cost(&group, &l)),
        (Norm::Layer(layer), flat, norm::layer_forward_cost(&layer, &f), norm::layer_backward_cost(&layer, &f)),
    ];
    let both = cases.map(|(p, x, forward, backward)| {
        let (again, normed) = (x.clone(), x.norm(&p, [None; 4]).unwrap());
        let back = move || {
            again.norm_backward(&p, [None; 4], [&normed.mean, &normed.rstd], &again, [true, true, false, false])
        };
        [row("norm", forward, move || x.norm(&p, [None; 4])), row("norm_backward", backward, back)]
    });
    both.into_iter().flatten().collect()
}

fn updates(device: &Device) -> Vec<Row> {
    let all: [Tensor; 4] = std::array::from_fn(|_| ones(device, &[7, 3]));
    let l = *all[0].layout();
    let of = |run: fn([Tensor; 4]) -> Result<()>| {
        let all = all.clone();
        move || run(all.clone())
    };
    let adam = |[param, gradient, m, v]: [Tensor; 4]| {
        let step = AdamStep::new(&optim::Adam::default(), 1e-3, 1, 1.0);
        tensor::ops::optim::adam(Numbers::Given(&step), &[Slot { param, gradient, m, v }])
    };
    let average = |[average, x, ..]: [Tensor; 4]| tensor::ops::optim::ema(Rate::Given(0.1), &[(average, x)]);
    let squares = |[x, ..]: [Tensor; 4]| tensor::ops::optim::squares(&[&x]).map(drop);
    vec![
        row("accumulate", combine::accumulate_cost(&l, F32), of(|[mut y, x, ..]| y.accumulate(2.0, &x))),
        row("adam", optim::adam_cost(21, F32), of(adam)),
        row("ema", optim::ema_cost(21, F32), of(average)),
        row("squares", optim::sum_of_squares_cost(21, F32), of(squares)),
        row("sum_of_squares", optim::sum_of_squares_cost(21, F32), of(|[x, ..]| x.sum_of_squares().map(drop))),
    ]
}

#[test]
fn every_op_adds_what_its_kernel_counts() {
    for threads in [1, 2] {
        let device = Device::cpu(threads);
        for rows in [elementwise, indexed, products, images, norms, updates] {
            for Row { op, run, cost } in rows(&device) {
                let before = device.work();
                run().unwrap();
                assert_eq!(device.work(), before + cost, "{op}");
            }
        }
    }
}

#[test]
fn what_fails_is_not_counted() {
    let device = Device::cpu(1);
    let x = ones(&device, &[2, 3]);
    let index = Tensor::from_slice(&device, &[1], &[9i64]).unwrap();
    let before = device.work();
    assert!(x.gather(0, &index).is_err() && x.add(&ones(&device, &[0, 5])).is_err());
    assert_eq!(device.work(), before);
}
