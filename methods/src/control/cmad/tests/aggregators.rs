//! Aggregators: linear, adjoint to their shares, selecting where they should.

use crate::control::cmad::Aggregator;
use crate::testing::{device, numbers};
use autograd::{Grad, Tensor, Var, grad};
use nn::Module;

fn ramp(shape: &[usize], offset: f64) -> Var {
    let data: Vec<f64> = (0..shape.iter().product::<usize>()).map(|i| offset + i as f64).collect();
    Var::leaf(Tensor::from_slice(device(), shape, &data).unwrap())
}

#[test]
fn stripes_are_as_in_the_paper() {
    let heights = |agents| match Aggregator::stacked_stripes(agents, 28).unwrap() {
        Aggregator::Stack { heights } => heights,
        _ => vec![],
    };
    assert_eq!((heights(2), heights(3), heights(28)), (vec![14, 14], vec![10, 9, 9], vec![1; 28]));
    let error = Aggregator::stripes(device(), 40, [28, 28]).err().unwrap().to_string();
    assert!(error.contains("40 agents cannot share 28 rows"), "{error}");
}

#[test]
fn selecting_aggregators_satisfy_m_m_transposed_is_the_identity() {
    let y = ramp(&[2, 1, 7, 3], 0.5);
    let checks = [[1.0, 0.0, 1.0].repeat(7), [0.0, 1.0, 0.0].repeat(7)];
    let all = [
        Aggregator::stripes(device(), 3, [7, 3]).unwrap(),
        Aggregator::stacked_stripes(3, 7).unwrap(),
        Aggregator::Stack { heights: vec![1, 4, 2] },
        Aggregator::masks(device(), &checks, [7, 3]).unwrap(),
    ];
    for aggregator in all {
        let shares = aggregator.shares(&y).unwrap();
        for (i, share) in shares.iter().enumerate() {
            assert_eq!(share.shape()[1..], aggregator.canvas(i, [1, 7, 3]));
        }
        assert_eq!(numbers(&aggregator.aggregate(&shares).unwrap()), numbers(&y));
    }
}

#[test]
fn shares_are_the_adjoint_of_aggregation() {
    let stripes = Aggregator::stripes(device(), 2, [4, 3]).unwrap();
    let learned = Aggregator::learned(&stripes, 1.5).unwrap();
    for aggregator in [stripes, learned, Aggregator::Stack { heights: vec![1, 3] }] {
        let state = |i| {
            let [c, h, w] = aggregator.canvas(i, [1, 4, 3]);
            ramp(&[1, c, h, w], i as f64 + 0.1)
        };
        let (states, direction) = ([state(0), state(1)], ramp(&[1, 1, 4, 3], -2.0).detach());
        let y = aggregator.aggregate(&states).unwrap();
        let how = Grad { cotangent: Some(direction.clone()), ..Grad::default() };
        let gradients = grad(&y, &[&states[0], &states[1]], how).unwrap();
        for (i, share) in aggregator.shares(&direction).unwrap().iter().enumerate() {
            assert_eq!(numbers(share), numbers(gradients.get(i).unwrap()));
        }
    }
}

#[test]
fn learned_masks_start_where_they_were_told_and_balance_is_measured() {
    let stripes = Aggregator::stripes(device(), 2, [4, 4]).unwrap();
    let learned = Aggregator::learned(&stripes, 3.0).unwrap();
    assert_eq!(learned.owners([4, 4]).unwrap(), stripes.owners([4, 4]).unwrap());
    assert!(learned.imbalance().unwrap().unwrap().value().item().unwrap() < 1e-12);
    let uneven = Aggregator::learned(&Aggregator::stripes(device(), 3, [4, 4]).unwrap(), 30.0).unwrap();
    // Areas 1/2, 1/4, 1/4 where 1/3 each would be even.
    assert!((uneven.imbalance().unwrap().unwrap().value().item().unwrap() - 1.0 / 24.0).abs() < 1e-6);
    assert_eq!((learned.parameters().len(), stripes.parameters().len()), (1, 0));
}

#[test]
fn masks_that_do_not_share_a_pixel_are_refused_with_its_place() {
    let refused = |masks: &[Vec<f32>]| Aggregator::masks(device(), masks, [1, 2]).err().unwrap().to_string();
    let error = refused(&[vec![1.0, 0.2], vec![0.0, 0.2]]);
    assert!(error.contains("row 0, column 1 the weights add up to 0.4"), "{error}");
    assert!(refused(&[vec![1.5, 1.0], vec![-0.5, 0.0]]).contains("below 0"));
    assert!(refused(&[vec![1.0]]).contains("do not fit"));
}
