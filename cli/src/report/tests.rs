//! What a report holds. How it looks is for eyes: `cargo run -p consort --example looks`.

use super::*;
use data::png_io::Colour;

fn picture() -> Picture {
    Picture { width: 2, height: 1, colour: Colour::Grey, bytes: vec![0, 255] }
}

#[test]
fn all_in_one_file() {
    let panel = |label| Panel::new(&picture(), 4, label).unwrap();
    let record = Record::new("compose", "cmad", &tensor::Device::cpu(1), 7);
    let html = Report::new("A <3>", "by `three` agents & a \"judge\"")
        .number("Ψ mean", "0.02")
        .section("One")
        .figure(&[panel("agent 1"), panel("")], "a caption")
        .rows(&[("aggregate", vec![panel("t = 1")])], "over time")
        .plot(&Plot::new("x", "y").line("a", [(0.0, 1.0), (1.0, 2.0)]), "")
        .table(&["method", "Ψ"], &[vec!["cmad".into(), "0.1".into()]], "")
        .repeat(&record)
        .unwrap()
        .html();
    for part in [
        "<title>A &lt;3&gt;</title>",
        "<p class=\"lead\">by <code>three</code> agents &amp; a &quot;judge&quot;</p>",
        "<dt>Ψ mean</dt><dd>0.02</dd>",
        "style=\"width:8px\" alt=\"agent 1\"><span>agent 1</span>",
        "<figcaption>a caption</figcaption>",
        "<th scope=\"row\">aggregate</th>",
        "<tr><td>cmad</td><td>0.1</td></tr>",
        "on 1 thread · seed 7",
    ] {
        assert!(html.contains(part), "{part}\n{html}");
    }
    assert_eq!(html.matches("src=\"data:image/png;base64,iVBORw0KGgo").count(), 3);
    let open = |tag: &str| html.matches(&format!("<{tag}")).count();
    let closed = |tag: &str| html.matches(&format!("</{tag}>")).count();
    ["figure", "table", "div", "svg", "main", "span", "pre", "details"]
        .iter()
        .for_each(|tag| assert_eq!(open(tag), closed(tag), "{tag}"));
    let outside = ["http:", "https:", "<script", "@import"]
        .iter()
        .find(|part| html.replace("http://www.w3.org/2000/svg", "").contains(**part));
    assert_eq!(outside, None);
}
