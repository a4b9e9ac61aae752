//! Attention by its definition, a query at a time: the oracle of the tests and the f64 path.

use super::geometry::{Rows, RowsMut, Sizes};
use super::rotation::Turn;
use crate::Real;
use crate::softmax::reference::exponentials;

/// `out = softmax(scale q k^T) v`, q and k first turned; `lse` is the logarithm of the sum of exponentials.
pub(super) fn forward<T: Real>(
    sizes: &Sizes,
    scale: f64,
    turns: [Option<Turn<T>>; 2],
    [q, k, v]: [Rows<T>; 3],
    out: &mut RowsMut<'_, T>,
    lse: &mut [T],
) {
    let (turned_q, turned_k) = (turned(sizes, &turns[0], &q), turned(sizes, &turns[1], &k));
    let (q, k) = (&rows(&q, &turned_q), &rows(&k, &turned_k));
    let mut weights = vec![T::default(); sizes.keys];
    for (index, lse) in lse.iter_mut().enumerate() {
        let (pair, i) = (index / sizes.queries, index % sizes.queries);
        let (max, sum) = exponentials(&scores(sizes, scale, q, k, pair, i), &mut weights);
        *lse = max + sum.ln();
        let out = out.row(pair, i);
        out.fill(T::default());
        for (j, &weight) in weights.iter().enumerate() {
            axpy(weight / sum, v.row(pair, j), out);
        }
    }
}

/// With P the map and g the cotangent of out: `dv = P^T g`, `dS = P (g v^T - rowsum(g out))`, `dq = scale dS k`,
/// `dk = scale dS^T q`; dq and dk are turned back in the end.
pub(super) fn backward<T: Real>(
    sizes: &Sizes,
    scale: f64,
    turns: [Option<Turn<T>>; 2],
    [q, k, v]: [Rows<T>; 3],
    (out, lse, g): (&Rows<T>, &[T], &Rows<T>),
    [dq, dk, dv]: [&mut RowsMut<'_, T>; 3],
) {
    let (turned_q, turned_k) = (turned(sizes, &turns[0], &q), turned(sizes, &turns[1], &k));
    let (q, k) = (&rows(&q, &turned_q), &rows(&k, &turned_k));
    for (pair, j) in (0..sizes.pairs()).flat_map(|pair| (0..sizes.keys).map(move |j| (pair, j))) {
        dk.row(pair, j).fill(T::default());
        dv.row(pair, j).fill(T::default());
    }
    for (index, &lse) in lse.iter().enumerate() {
        let (pair, i) = (index / sizes.queries, index % sizes.queries);
        let (q_row, g_row, inner) = (q.row(pair, i), g.row(pair, i), dot(g.row(pair, i), out.row(pair, i)));
        dq.row(pair, i).fill(T::default());
        for (j, score) in scores(sizes, scale, q, k, pair, i).into_iter().enumerate() {
            let weight = (score - lse).exp();
            let slope = weight * (dot(g_row, v.row(pair, j)) - inner) * T::from_f64(scale);
            axpy(weight, g_row, dv.row(pair, j));
            axpy(slope, q_row, dk.row(pair, j));
            axpy(slope, k.row(pair, j), dq.row(pair, i));
        }
    }
    for (turn, gradient, positions) in [(&turns[0], dq, sizes.queries), (&turns[1], dk, sizes.keys)] {
        let Some(turn) = turn else { continue };
        for (pair, position) in (0..sizes.pairs()).flat_map(|pair| (0..positions).map(move |at| (pair, at))) {
            turn.row(true, position, gradient.row(pair, position));
        }
    }
}

/// The rows turned, if they are.
fn turned<T: Real>(sizes: &Sizes, turn: &Option<Turn<T>>, x: &Rows<T>) -> Option<Vec<T>> {
    turn.as_ref().map(|turn| turn.all(x, sizes.pairs()))
}

fn rows<'a, T: Real>(x: &Rows<'a, T>, turned: &'a Option<Vec<T>>) -> Rows<'a, T> {
    turned.as_ref().map_or(*x, |turned| Rows::dense(turned, *x.shape()))
}

fn scores<T: Real>(sizes: &Sizes, scale: f64, q: &Rows<T>, k: &Rows<T>, pair: usize, i: usize) -> Vec<T> {
    (0..sizes.keys).map(|j| dot(q.row(pair, i), k.row(pair, j)) * T::from_f64(scale)).collect()
}

fn dot<T: Real>(a: &[T], b: &[T]) -> T {
    a.iter().zip(b).map(|(&a, &b)| a * b).sum()
}

fn axpy<T: Real>(a: T, x: &[T], y: &mut [T]) {
    y.iter_mut().zip(x).for_each(|(y, &x)| *y += a * x);
}
