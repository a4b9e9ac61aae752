//! Loops in any memory: the same bits, as few states as were asked for, every mode of derivative, loops in loops.

use autograd::ops::norm::{Affine, LayerNorm, Norm};
use autograd::{DType, Device, Error, Grad, Kind, Memory, Scan, Store, Tensor, Var, grad, jvp, scan, schedule};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

fn numbers(x: &Var) -> Vec<f64> {
    x.value().to_f64().unwrap()
}

/// A loop of 5 steps with a parameter used twice a step, as a function of initial state and parameter.
fn rollout(memory: Memory, x: &Var, w: &Var) -> Result<Var, Error> {
    let inner = w.clone();
    let step = move |state: &[Var], k: usize| {
        let mixed = state[0].linear(&inner, None)?.silu()?;
        let next = mixed.linear(&inner, None)?.add(&state[0])?.scale(1.0 / (k + 1) as f64)?;
        let cost = state[1].add(&next.square()?.sum()?)?;
        Ok(vec![next, cost])
    };
    let zero = Var::constant(Tensor::zeros(x.device(), x.dtype(), &[])?);
    let last = scan(Scan { memory, steps: 5, with: vec![w.clone()], ..Scan::default() }, &[x.clone(), zero], step)?;
    last[0].sum()?.add(&last[1])
}

fn start(dtype: DType) -> (Var, Var) {
    let device = Device::cpu(1);
    let draw = |shape: &[usize], step: f64| {
        let data: Vec<f64> = (0..shape.iter().product::<usize>()).map(|i| (i as f64 * step).sin()).collect();
        Var::leaf(Tensor::from_slice(&device, shape, &data).unwrap().cast(dtype).unwrap())
    };
    (draw(&[2, 3], 0.7), draw(&[3, 3], 1.3))
}

#[test]
fn a_loop_has_the_same_gradient_bits_under_every_memory() {
    let (x, w) = start(DType::F32);
    let gradients = |memory| {
        let gradients = grad(&rollout(memory, &x, &w).unwrap(), &[&x, &w], Grad::default()).unwrap();
        [0, 1].map(|i| gradients.get(i).unwrap().value().to_vec::<f32>().unwrap())
    };
    let want = gradients(Memory::StoreAll);
    let others = [1, 2, 3, 20].map(|slots| Memory::Revolve { slots });
    for memory in [Memory::States].into_iter().chain(others) {
        assert_eq!(gradients(memory), want, "{memory:?}");
    }
    let none = rollout(Memory::Revolve { slots: 0 }, &x, &w).map(|_| ()).unwrap_err().to_string();
    assert!(none.contains("no slot"), "{none}");
}

#[test]
fn a_budget_is_obeyed_and_used_or_refused_with_the_smallest_that_would_do() {
    let device = Device::cpu(1);
    let x = Var::leaf(Tensor::full(&device, DType::F32, &[64, 64], 0.3).unwrap());
    let w = Var::leaf(Tensor::full(&device, DType::F32, &[64, 64], 0.01).unwrap());
    let (state, pool) = (4 * 64 * 64, device.pool());
    // Gradients, and the most bytes at one time, what was there before counted.
    let under = |steps, memory| -> autograd::Result<(Vec<f64>, usize)> {
        pool.reset_peak();
        let inner = w.clone();
        let step = move |state: &[Var], _: usize| Ok(vec![state[0].linear(&inner, None)?.silu()?.add(&state[0])?]);
        let last =
            scan(Scan { memory, steps, with: vec![w.clone()], ..Scan::default() }, std::slice::from_ref(&x), step)?;
        let gradients = grad(&last[0].sum()?, &[&x, &w], Grad::default())?;
        let peak = pool.account().requested_peak;
        Ok(([0, 1].iter().flat_map(|&i| numbers(gradients.get(i).unwrap())).collect(), peak))
    };
    let least = |steps| -> usize {
        let refused = under(steps, Memory::Budget(state)).unwrap_err().to_string();
        refused.split("give ").nth(1).and_then(|rest| rest.split(' ').next()?.parse().ok()).unwrap()
    };
    for steps in [1, 2, 3, 4] {
        let least = least(steps);
        assert!(under(steps, Memory::Budget(least)).unwrap().1 <= least + 8, "{steps} steps, {least} bytes");
        assert!(under(steps, Memory::Budget(least - 1)).is_err(), "{steps} steps, {least} bytes");
    }
    let ((want, all), least) = (under(40, Memory::StoreAll).unwrap(), least(40));
    for budget in [least, least + 5 * state, least + 12 * state, all + 6 * state] {
        let (gradients, peak) = under(40, Memory::Budget(budget)).unwrap();
        assert!(gradients == want, "{budget} bytes");
        // What comes after the loop, a sum and its cotangent, is not the loop's.
        assert!(peak <= budget + 8 && peak * 10 >= budget * 9, "{peak} bytes of {budget}, {least} at least");
    }
    assert!(under(40, Memory::Budget(least - 1)).is_err() && least < all / 3, "{least} of {all}");
}

#[test]
fn a_loop_runs_its_steps_as_often_as_the_schedule_says_and_holds_as_many_states() {
    let (x, _) = start(DType::F32);
    let pool = x.device().pool();
    let (steps, state) = (60, 4 * x.value().count());
    let cost = |slots| {
        let runs = Arc::new(AtomicUsize::new(0));
        let counted = runs.clone();
        let step = move |state: &[Var], _: usize| {
            counted.fetch_add(1, Ordering::Relaxed);
            Ok(vec![state[0].silu()?])
        };
        let how = Scan { memory: Memory::Revolve { slots }, steps, ..Scan::default() };
        pool.reset_peak();
        let before = pool.account().requested;
        let last = scan(how, std::slice::from_ref(&x), step).unwrap();
        // k cotangents are k backward passes, the second from the first state alone.
        grad(&last[0].sum().unwrap(), &[&x], Grad::default()).unwrap();
        (runs.load(Ordering::Relaxed), pool.account().requested_peak - before)
    };
    let mut all = vec![];
    for slots in [1, 2, 5, steps, 1000] {
        let (runs, peak) = cost(slots);
        let (again, first, taped) = (schedule::advances(steps, slots) as usize, 1, steps);
        assert_eq!(runs, again + first + taped, "{slots} slots");
        all.push((slots.min(steps), peak));
    }
    for pair in all.windows(2) {
        let [(few, small), (many, large)] = pair else { unreachable!() };
        let (states, bytes) = (many - few, large - small);
        assert!(bytes <= states * state, "{states} states more take {bytes} bytes more");
    }
    assert!(all[0].1 < all[3].1 / 4, "{all:?}");
}

#[test]
fn a_loop_differentiates_in_every_mode() {
    let (x, w) = start(DType::F64);
    let (v, cost) = (x.value().scale(0.3).unwrap(), |x: &Var| rollout(Memory::States, x, &w));
    let gradient =
        |x: &Var, create_graph: bool| grad(&cost(x)?, &[x], Grad { create_graph, ..Grad::default() })?.get(0).cloned();
    let moved = |h: f64| Var::leaf(Tensor::combine(&[(1.0, x.value()), (h, &v)]).unwrap());
    let h = 1e-5;
    let slope = (numbers(&cost(&moved(h)).unwrap())[0] - numbers(&cost(&moved(-h)).unwrap())[0]) / (2.0 * h);
    let pushed = jvp(&[(&x, v.clone())], |x| Ok(cost(&x[0])?.tangent().cloned())).unwrap().unwrap();
    assert!((numbers(&pushed)[0] - slope).abs() < 1e-7 * slope.abs());
    let (a, b) = (numbers(&gradient(&moved(h), false).unwrap()), numbers(&gradient(&moved(-h), false).unwrap()));
    let over = jvp(&[(&x, v.clone())], |x| Ok(gradient(&x[0], false)?.tangent().cloned())).unwrap().unwrap();
    let pulled = gradient(&x, true).unwrap().mul(&Var::constant(v.clone())).unwrap().sum().unwrap();
    let reverse = grad(&pulled, &[&x], Grad::default()).unwrap().get(0).unwrap().clone();
    for i in 0..6 {
        let want = (a[i] - b[i]) / (2.0 * h);
        assert!((numbers(&over)[i] - want).abs() < 1e-6 * (1.0 + want.abs()));
        assert!((numbers(&reverse)[i] - want).abs() < 1e-6 * (1.0 + want.abs()));
    }
}

#[test]
fn a_parameter_that_a_loop_does_not_list_is_an_error() {
    let (x, w) = start(DType::F64);
    let inner = w.clone();
    let how = Scan { memory: Memory::States, steps: 2, ..Scan::default() };
    let last = scan(how, std::slice::from_ref(&x), move |state, _| Ok(vec![state[0].linear(&inner, None)?])).unwrap();
    let error = grad(&last[0].sum().unwrap(), &[&x], Grad::default()).unwrap_err().to_string();
    assert!(error.contains("neither in its state nor in `with`"), "{error}");
}

/// A step that descends the gradient of a normalised square, whose weight and bias are constants.
#[test]
fn a_gradient_inside_a_loop_knows_constants_for_constants() {
    let (x, _) = start(DType::F64);
    let constant = |value: f64| Var::constant(Tensor::full(x.device(), DType::F64, &[3], value).unwrap());
    let (weight, bias) = (constant(1.5), constant(-0.2));
    let norm = Norm::Layer(LayerNorm { eps: 1e-5, silu: true });
    let descend = move |state: &[Var], _: usize| {
        let affine = Affine { weight: Some(&weight), bias: Some(&bias), ..Affine::default() };
        // Where the loop is not taped, its state is a constant.
        let x = if state[0].is_active() { state[0].clone() } else { Var::leaf(state[0].value().clone()) };
        let cost = x.norm(norm, affine)?.square()?.sum()?;
        let slope = grad(&cost, &[&x], Grad { create_graph: state[0].is_active(), ..Grad::default() })?;
        Ok(vec![state[0].sub(&slope.get(0)?.scale(0.1)?)?])
    };
    let loss = |x: &Var| {
        let how = Scan { memory: Memory::States, steps: 3, ..Scan::default() };
        scan(how, std::slice::from_ref(x), descend.clone())?[0].square()?.sum()
    };
    let gradient = numbers(grad(&loss(&x).unwrap(), &[&x], Grad::default()).unwrap().get(0).unwrap());
    for i in 0..6 {
        let moved = |h: f64| {
            let mut data = x.value().to_f64().unwrap();
            data[i] += h;
            numbers(&loss(&Var::leaf(Tensor::from_slice(x.device(), &[2, 3], &data).unwrap())).unwrap())[0]
        };
        let want = (moved(1e-5) - moved(-1e-5)) / 2e-5;
        assert!((gradient[i] - want).abs() < 1e-7 * (1.0 + want.abs()), "{i}: {} {want}", gradient[i]);
    }
}

#[test]
fn states_in_a_file_give_the_same_bits_in_less_memory_and_leave_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let device = Device::cpu(1);
    let x = Var::leaf(Tensor::full(&device, DType::F32, &[2, 8, 16, 16], 0.3).unwrap().channels_last().unwrap());
    let under = |memory, store: &Store| {
        device.pool().reset_peak();
        let before = device.pool().account().requested;
        let step = |state: &[Var], k: usize| Ok(vec![state[0].silu()?.scale(1.0 + k as f64)?.add(&state[0])?]);
        let how = Scan { memory, store: store.clone(), steps: 30, ..Scan::default() };
        let cost = scan(how, std::slice::from_ref(&x), step).unwrap()[0].sum().unwrap();
        let once = || grad(&cost, &[&x], Grad { retain: true, ..Grad::default() }).unwrap();
        let (first, second) = (once(), once());
        let [first, second] = [first, second].map(|g| g.get(0).unwrap().value().to_vec::<f32>().unwrap());
        assert_eq!(first, second, "{memory:?}");
        (first, device.pool().account().requested_peak - before)
    };
    let away = Store::Folder(folder.path().into());
    let (want, here) = under(Memory::States, &Store::Memory);
    for memory in [Memory::States, Memory::Revolve { slots: 4 }, Memory::StoreAll] {
        assert_eq!(under(memory, &away).0, want, "{memory:?}");
    }
    let (_, few) = under(Memory::States, &away);
    assert!(few < here / 3, "{few} bytes, and {here} with states in memory");
    let budget = device.pool().account().requested + few;
    assert_eq!(under(Memory::Budget(budget), &away).0, want);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_folder_that_is_not_there_is_an_error_of_the_machine() {
    let (x, _) = start(DType::F32);
    let how = Scan { steps: 2, store: Store::Folder("/no/such/folder".into()), ..Scan::default() };
    let error = scan(how, std::slice::from_ref(&x), |state, _| Ok(state.to_vec())).map(|_| ()).unwrap_err();
    assert!(matches!(error.kind(), Kind::Store { .. }) && !error.is_usage(), "{error}");
    assert!(error.to_string().contains("/no/such/folder"), "{error}");
}

/// 4 times 5 steps, a parameter in the inner ones.
fn nested(outer: Memory, inner: Memory, x: &Var, w: &Var) -> Result<Var, Error> {
    let (weight, with) = (w.clone(), vec![w.clone()]);
    let turn = move |state: &[Var], k: usize| {
        let used = weight.clone();
        let step = move |state: &[Var], j: usize| {
            Ok(vec![state[0].linear(&used, None)?.silu()?.scale(1.0 / (1 + j + k) as f64)?.add(&state[0])?])
        };
        scan(Scan { memory: inner, steps: 5, with: vec![weight.clone()], ..Scan::default() }, state, step)
    };
    scan(Scan { memory: outer, steps: 4, with, ..Scan::default() }, std::slice::from_ref(x), turn)?[0].square()?.sum()
}

#[test]
fn a_loop_in_a_loop_has_the_gradient_of_the_long_graph_and_the_same_bits_under_every_memory() {
    let (x, w) = start(DType::F64);
    let flat = (0..4)
        .flat_map(|k| (0..5).map(move |j| 1.0 / (1 + j + k) as f64))
        .try_fold(x.clone(), |x, scale| x.linear(&w, None)?.silu()?.scale(scale)?.add(&x));
    let want = grad(&flat.unwrap().square().unwrap().sum().unwrap(), &[&x, &w], Grad::default()).unwrap();
    let choices = [Memory::StoreAll, Memory::States, Memory::Revolve { slots: 2 }];
    let mut bits: Option<Vec<f64>> = None;
    for (outer, inner) in choices.into_iter().flat_map(|outer| choices.map(|inner| (outer, inner))) {
        let cost = nested(outer, inner, &x, &w).unwrap();
        let found = grad(&cost, &[&x, &w], Grad::default()).unwrap();
        let all: Vec<f64> = [0, 1].iter().flat_map(|&i| numbers(found.get(i).unwrap())).collect();
        for (got, want) in all.iter().zip([0, 1].iter().flat_map(|&i| numbers(want.get(i).unwrap()))) {
            assert!((got - want).abs() < 1e-11 * (1.0 + want.abs()), "{got} {want}");
        }
        assert_eq!(bits.get_or_insert_with(|| all.clone()), &all, "{outer:?} of {inner:?}");
    }
}

#[test]
fn a_loop_in_a_loop_keeps_outer_states_and_the_inner_states_of_one_turn() {
    let device = Device::cpu(1);
    let x = Var::leaf(Tensor::full(&device, DType::F32, &[64, 64], 0.3).unwrap());
    let w = Var::leaf(Tensor::full(&device, DType::F32, &[64, 64], 0.01).unwrap());
    let state = 4 * 64 * 64;
    let peak = |outer, inner| {
        device.pool().reset_peak();
        let before = device.pool().account().requested;
        grad(&nested(outer, inner, &x, &w).unwrap(), &[&x, &w], Grad::default()).unwrap();
        (device.pool().account().requested_peak - before) / state
    };
    let [all, states, inner_only] =
        [(Memory::StoreAll, Memory::StoreAll), (Memory::States, Memory::States), (Memory::States, Memory::StoreAll)]
            .map(|(outer, inner)| peak(outer, inner));
    // A tape of an inner step is three values and more; there are 20. Of states there are 4 outer and 5 inner.
    assert!(all >= 50 && states <= 25 && inner_only <= 25, "{all} {inner_only} {states} states");
}
