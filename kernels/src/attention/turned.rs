//! Turned inside, and turned by [`crate::rope`] outside: the same bits, both ways, on every path, at guard pages.

use super::*;
use crate::rope::{self, Rope};
use crate::testing::*;
use crate::{Dims, Real};

const P: Attention = Attention { scale: 0.7 };

/// Layouts of `[b, h, positions, width]`: row-major, or a view of `[b, positions, h width]`.
fn layout(inside: bool, sizes: [usize; 4]) -> Layout {
    if inside { Layout::in_order(Dims::new(&sizes).unwrap(), &[0, 2, 1, 3]) } else { row_major(&sizes) }
}

struct Case<'a, T> {
    d: &'a Device,
    edge: Edge,
    /// q, k, v and the cotangent of out.
    at: [Layout; 4],
    data: &'a [Vec<T>; 4],
    p: Rope,
    tables: &'a [Vec<T>; 2],
}

impl<T: Real> Case<'_, T> {
    fn tables<'a>(&self, held: &'a [Guarded<T>; 2]) -> [View<'a>; 2] {
        [0, 1].map(|i| View::of(&held[i], row_major(&[2, self.at[i].shape[2], self.at[i].shape[3] / 2])).unwrap())
    }

    /// `x`, of the layout of q or k, turned.
    fn turned(&self, side: usize, back: bool, x: &[T]) -> Vec<T> {
        let (held, mut y) = (self.tables.each_ref().map(|table| Guarded::new(table, self.edge)), x.to_vec());
        let (at, table) = (self.at[side], self.tables(&held)[side]);
        let to = ViewMut::of(&mut y, at).unwrap();
        rope::rotate(self.d, &self.p, back, View::of(x, at).unwrap(), table, to).unwrap();
        y
    }

    /// out, lse, dq, dk and dv of `data`, turned inside or not.
    fn run(&self, inside: bool, data: [&[T]; 4]) -> [Vec<T>; 5] {
        let [ql, kl, vl, ol] = self.at;
        let ll = row_major(&ql.shape[..3]);
        let blank = |layout: &Layout| Guarded::new(&vec![T::from_f64(f64::NAN); layout.count()], self.edge);
        let room = |bytes| Guarded::new(&vec![255u8; bytes], self.edge);
        let held = self.tables.each_ref().map(|table| Guarded::new(table, self.edge));
        let [q_table, k_table] = self.tables(&held);
        let rotation = inside.then_some(Rotation { p: self.p, q: q_table, k: k_table });
        let guarded: [Guarded<T>; 4] = std::array::from_fn(|i| Guarded::new(data[i], self.edge));
        let [q, k, v, g] = std::array::from_fn(|i| View::of(&guarded[i], self.at[i]).unwrap());
        let (mut out, mut lse) = (blank(&ol), blank(&ll));
        let mut space = room(forward_scratch(self.d, inside, &ql, &kl, &vl, T::DTYPE));
        let (to, to_lse) = (ViewMut::of(&mut out, ol).unwrap(), ViewMut::of(&mut lse, ll).unwrap());
        forward(self.d, &P, rotation.as_ref(), q, k, v, to, to_lse, (&mut space[..]).into()).unwrap();
        let (mut dq, mut dk, mut dv) = (blank(&ql), blank(&kl), blank(&vl));
        let mut space = room(backward_scratch(self.d, inside, &ql, &kl, &vl, T::DTYPE));
        backward(
            self.d,
            &P,
            rotation.as_ref(),
            q,
            k,
            v,
            View::of(&out, ol).unwrap(),
            View::of(&lse, ll).unwrap(),
            g,
            ViewMut::of(&mut dq, ql).unwrap(),
            ViewMut::of(&mut dk, kl).unwrap(),
            ViewMut::of(&mut dv, vl).unwrap(),
            (&mut space[..]).into(),
        )
        .unwrap();
        [out.to_vec(), lse.to_vec(), dq.to_vec(), dk.to_vec(), dv.to_vec()]
    }

    fn check(&self, context: &str) {
        let [q, k, v, g] = self.data;
        let got = self.run(true, [q, k, v, g]);
        let mut want = self.run(false, [&self.turned(0, false, q), &self.turned(1, false, k), v, g]);
        want[2] = self.turned(0, true, &want[2]);
        want[3] = self.turned(1, true, &want[3]);
        for (what, (got, want)) in ["out", "lse", "dq", "dk", "dv"].iter().zip(got.iter().zip(&want)) {
            assert!(got == want, "{what}, {context}");
        }
    }
}

fn check<T: Real>(d: &Device, [b, h, s, t, e, f]: [usize; 6], p: Rope) {
    let numbers = |seed, count| -> Vec<T> {
        numbers(seed, count).into_iter().map(|x| T::from_f64(f64::from(x as f32))).collect()
    };
    let table = |positions: usize, first: f64| -> Vec<T> {
        let angles: Vec<f64> = (0..positions * e / 2).map(|i| first + 0.37 * i as f64).collect();
        angles.iter().map(|x| x.cos()).chain(angles.iter().map(|x| x.sin())).map(T::from_f64).collect()
    };
    for (inside, edge) in [(false, Edge::Start), (true, Edge::End)] {
        let at = [[b, h, s, e], [b, h, t, e], [b, h, t, f], [b, h, s, f]].map(|sizes| layout(inside, sizes));
        let data = [0, 1, 2, 3].map(|i| numbers(i as u64 + 1, at[i].count()));
        let case = Case { d, edge, at, data: &data, p, tables: &[table(s, 0.1), table(t, 0.7)] };
        case.check(&format!("{:?} {p:?}, {}", [b, h, s, t, e, f], name(d)));
    }
}

#[test]
fn turning_inside_has_the_bits_of_turning_outside() {
    let halves = |axes| Rope { axes, interleaved: false };
    let pairs = Rope { axes: 1, interleaved: true };
    for d in devices() {
        for (shape, p) in [
            ([2, 3, 49, 49, 8, 8], halves(1)),
            ([1, 2, 100, 130, 32, 20], halves(2)),
            ([2, 1, 33, 7, 18, 5], halves(3)),
            ([1, 1, 31, 57, 66, 70], pairs),
            ([2, 2, 1, 1, 2, 1], halves(1)),
            ([0, 2, 3, 4, 6, 6], halves(1)),
            ([2, 2, 0, 4, 6, 6], pairs),
            ([2, 2, 3, 0, 4, 6], halves(2)),
            ([2, 2, 3, 4, 0, 6], halves(1)),
        ] {
            check::<f32>(&d, shape, p);
            check::<f64>(&d, shape, p);
        }
    }
}

#[test]
fn tables_that_do_not_fit_are_named() {
    let (d, data) = (devices().next().unwrap(), vec![0.0f32; 1000]);
    let said = |axes: usize, q_table: &[usize], k_table: &[usize]| {
        let view = |sizes: &[usize]| View::of(&data, row_major(sizes)).unwrap();
        let rotation = Rotation { p: Rope { axes, interleaved: false }, q: view(q_table), k: view(k_table) };
        let (mut out, mut lse, mut space) = (data.clone(), data.clone(), vec![0; 1 << 16]);
        let (q, k) = (view(&[2, 2, 3, 4]), view(&[2, 2, 5, 4]));
        let (to, to_lse) = (
            ViewMut::of(&mut out, row_major(&[2, 2, 3, 4])).unwrap(),
            ViewMut::of(&mut lse, row_major(&[2, 2, 3])).unwrap(),
        );
        forward(&d, &P, Some(&rotation), q, k, k, to, to_lse, (&mut space[..]).into()).unwrap_err().to_string()
    };
    assert_eq!(said(3, &[2, 3, 2], &[2, 5, 2]), "attention: rows of 4 numbers do not fall into 3 blocks of pairs");
    assert_eq!(said(1, &[2, 5, 2], &[2, 5, 2]), "attention: the table of q has shape [2, 5, 2], expected [2, 3, 2]");
    assert!(said(1, &[2, 3, 2], &[2, 5, 4]).contains("the table of k"));
}
