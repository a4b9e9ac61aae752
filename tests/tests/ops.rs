//! Ops against recorded runs of PyTorch in f64: values and the gradients of all inputs, of every case that an op of ours
//! can express.

use autograd::ops::conv::Conv;
use autograd::ops::norm::{Affine, GroupNorm, LayerNorm, Norm};
use autograd::ops::pointwise::Function;
use autograd::ops::pool::Pool;
use autograd::{Device, Grad, Result, Var, grad};
use consort_tests::fixture;
use nn::SavedState;
use serde_json::Value;
use std::collections::BTreeMap;

/// Recorded, and not offered by any op: masks, smoothed or weighted losses, padded pooling, log-softmax.
const BEYOND: [&str; 13] = [
    "scaled_dot_product_attention-3",
    "scaled_dot_product_attention-5",
    "scaled_dot_product_attention-6",
    "cross_entropy-4",
    "cross_entropy-5",
    "cross_entropy-6",
    "cross_entropy-7",
    "log_softmax-1",
    "log_softmax-2",
    "log_softmax-3",
    "avg_pool2d-3",
    "avg_pool2d-4",
    "avg_pool2d-5",
];

/// Sums of at most some hundred products of numbers about 1, in f64 on both sides.
const TOLERANCE: f64 = 1e-12;

struct Recorded<'a> {
    file: &'a SavedState,
    case: &'a Value,
    device: Device,
    inputs: BTreeMap<&'a str, Var>,
}

impl<'a> Recorded<'a> {
    fn new(file: &'a SavedState, case: &'a Value) -> Recorded<'a> {
        let mut recorded = Recorded { file, case, device: Device::cpu(1), inputs: BTreeMap::new() };
        let names = strings(&case["inputs"]).filter(|&name| name != "target");
        recorded.inputs = names.map(|name| (name, Var::leaf(recorded.tensor(&format!("in/{name}"))))).collect();
        recorded
    }

    fn name(&self) -> &'a str {
        self.case["name"].as_str().unwrap()
    }

    fn tensor(&self, part: &str) -> tensor::Tensor {
        self.file.tensor(&format!("{}/{part}", self.name()), &self.device).unwrap()
    }

    fn pair(&self, argument: &str) -> [usize; 2] {
        [0, 1].map(|i| self.case["args"][argument][i].as_u64().unwrap() as usize)
    }

    fn number(&self, argument: &str) -> Option<f64> {
        self.case["args"][argument].as_f64()
    }

    fn affine(&self) -> Affine<'_> {
        Affine { weight: self.inputs.get("weight"), bias: self.inputs.get("bias"), ..Affine::default() }
    }

    /// The same by our op.
    fn run(&self) -> Result<Var> {
        let input = |name: &str| &self.inputs[name];
        let op = self.case["op"].as_str().unwrap();
        match op {
            "conv2d" => {
                let padding = self.pair("padding").map(|p| [p, p]);
                let groups = self.number("groups").unwrap() as usize;
                let p = Conv { stride: self.pair("stride"), padding, dilation: self.pair("dilation"), groups };
                input("input").conv2d(input("weight"), self.inputs.get("bias"), &p)
            }
            "group_norm" | "group_norm_silu" => {
                let groups = self.number("num_groups").unwrap() as usize;
                let eps = self.number("eps").unwrap();
                let silu = op == "group_norm_silu";
                input("input").norm(Norm::Group(GroupNorm { groups, eps, silu }), self.affine())
            }
            "layer_norm" => self.layer_norm(),
            "scaled_dot_product_attention" => self.attention(),
            "cross_entropy" => self.cross_entropy(),
            "silu" => input("input").silu(),
            "gelu" if self.case["args"]["approximate"] == "tanh" => input("input").map(Function::GeluTanh),
            "gelu" => input("input").gelu(),
            // Ours is along the last axis; the other is the second of three.
            "softmax" if self.case["args"]["dim"] == 1 => input("input").transpose(0, 1)?.softmax()?.transpose(0, 1),
            "softmax" => input("input").softmax(),
            "interpolate" => {
                let x = input("input");
                x.resize_nearest([2 * x.shape()[2], 2 * x.shape()[3]])
            }
            "avg_pool2d" => {
                input("input").average_pool(&Pool { kernel: self.pair("kernel_size"), stride: self.pair("stride") })
            }
            _ => panic!("no op of ours for {op}"),
        }
    }

    /// Ours is over the last axis: those before it that are normalised together become one.
    fn layer_norm(&self) -> Result<Var> {
        let x = &self.inputs["input"];
        let width = self.case["args"]["normalized_shape"].as_array().unwrap().len();
        let (before, together) = x.shape().split_at(x.rank() - width);
        let count = together.iter().product();
        let flat = |x: Option<&Var>| x.map(|x| x.reshape(&[count])).transpose();
        let (weight, bias) = (flat(self.inputs.get("weight"))?, flat(self.inputs.get("bias"))?);
        let affine = Affine { weight: weight.as_ref(), bias: bias.as_ref(), ..Affine::default() };
        let norm = Norm::Layer(LayerNorm { eps: self.number("eps").unwrap(), silu: false });
        x.reshape(&[before, &[count]].concat())?.norm(norm, affine)?.reshape(x.shape())
    }

    fn attention(&self) -> Result<Var> {
        let [q, k, v] = ["query", "key", "value"].map(|name| &self.inputs[name]);
        let scale = self.number("scale").unwrap_or(1.0 / (q.shape()[q.rank() - 1] as f64).sqrt());
        let wide = |x: &Var| x.reshape(&[vec![1; 4 - x.rank()], x.shape().to_vec()].concat());
        let out = wide(q)?.attention(&wide(k)?, &wide(v)?, scale)?;
        out.reshape(&out.shape()[4 - q.rank()..])
    }

    fn cross_entropy(&self) -> Result<Var> {
        let x = &self.inputs["input"];
        let axes: Vec<usize> = [0].into_iter().chain(2..x.rank()).chain([1]).collect();
        let losses = x.permute(&axes)?.cross_entropy(&self.tensor("in/target"))?;
        match self.case["args"]["reduction"].as_str().unwrap() {
            "mean" => losses.mean(),
            "sum" => losses.sum(),
            _ => Ok(losses),
        }
    }
}

fn strings(list: &Value) -> impl Iterator<Item = &str> {
    list.as_array().unwrap().iter().map(|name| name.as_str().unwrap())
}

#[track_caller]
fn assert_close(what: &str, got: &Var, want: &tensor::Tensor) {
    assert_eq!(got.shape(), want.shape(), "{what}");
    let (got, want) = (got.value().to_f64().unwrap(), want.to_f64().unwrap());
    let scale = want.iter().fold(1.0, |most: f64, y| most.max(y.abs()));
    for (i, (got, want)) in got.iter().zip(&want).enumerate() {
        assert!((got - want).abs() <= TOLERANCE * scale, "{what}: element {i} is {got}, recorded {want}");
    }
}

#[test]
fn ops_give_the_values_and_gradients_of_pytorch() {
    let file = SavedState::read(&fixture("ops.safetensors")).unwrap();
    let cases: Vec<Value> = serde_json::from_str(file.text("cases").unwrap()).unwrap();
    let mut compared = 0;
    for case in &cases {
        let recorded = Recorded::new(&file, case);
        if BEYOND.contains(&recorded.name()) {
            continue;
        }
        let y = recorded.run().unwrap_or_else(|error| panic!("{}: {error}", recorded.name()));
        assert_close(recorded.name(), &y, &recorded.tensor("out"));
        let wanted: Vec<&str> = strings(&case["grads"]).collect();
        let wrt: Vec<&Var> = wanted.iter().map(|&name| &recorded.inputs[name]).collect();
        let cotangent = Some(Var::constant(recorded.tensor("cotangent")));
        let gradients = grad(&y, &wrt, Grad { cotangent, ..Grad::default() }).unwrap();
        for (i, name) in wanted.iter().enumerate() {
            let what = format!("{}: gradient of {name}", recorded.name());
            assert_close(&what, gradients.get(i).unwrap(), &recorded.tensor(&format!("grad/{name}")));
        }
        compared += 1;
    }
    assert_eq!(compared + BEYOND.len(), cases.len());
}
