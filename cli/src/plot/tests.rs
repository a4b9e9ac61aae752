//! What a plot holds. How it looks is for eyes: `cargo run -p consort --example looks`.

use super::*;

fn count(text: &str, part: &str) -> usize {
    text.matches(part).count()
}

#[test]
fn all_that_was_asked_for_is_there() {
    let svg = Plot::new("agents", "Ψ <mean>")
        .line_with_points("joint", [(1.0, 0.5, [0.4, 0.6]), (2.0, 0.7, [0.6, 0.9])])
        .points("cdps", [(1.0, 0.9), (2.0, f64::NAN)])
        .line_across("chance", 0.1)
        .svg();
    assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
    assert!(svg.contains("Ψ &lt;mean&gt; over agents"));
    assert_eq!(count(&svg, "class=\"error\""), 2);
    assert_eq!(count(&svg, "class=\"mark\""), 2 + 1 + 2, "with the legend's two, without NaN");
    assert_eq!(count(&svg, "class=\"across\""), 2);
    assert!(["joint", "cdps", "chance"].iter().all(|name| svg.contains(&format!(">{name}</text>"))));
}

#[test]
fn a_line_has_gaps_and_few_points() {
    let svg =
        Plot::new("step", "loss").line("a", (0..10).map(|x| (f64::from(x), if x == 4 { f64::NAN } else { 1.0 }))).svg();
    assert_eq!(count(&svg, "class=\"line\""), 2 + 1);
    let many = thinned((0..6001).map(|x| Point::from((f64::from(x), f64::from(x), [0.0, 2.0]))).collect());
    assert_eq!((many.len(), many[0]), (546, Point { x: 5.0, y: 5.0, interval: Some([0.0, 2.0]) }));
    assert!(thinned(vec![]).is_empty());
}

#[test]
fn bars_stand_on_zero() {
    let svg = Plot::new("digit", "share").bars("samples", &["0", "1"], [(3.0, None), (4.0, Some([3.5, 4.5]))]).svg();
    assert_eq!((count(&svg, "<rect x"), count(&svg, "class=\"error\"")), (2, 1));
    assert!(svg.contains(">0</text>"));
}

#[test]
fn nothing_to_show_is_a_plot() {
    for plot in
        [Plot::new("", ""), Plot::new("x", "y").log_x().log_y().points("none", [(0.0, -1.0), (f64::INFINITY, 1.0)])]
    {
        assert!(plot.svg().ends_with("</svg>\n"));
        assert!(!plot.svg().contains("NaN"));
    }
    let upside_down = Plot::new("x", "y").y_range(1.0, 0.0).line("", [(0.0, 0.0), (1.0, 1.0)]).svg();
    assert!(!upside_down.contains("NaN"));
}
