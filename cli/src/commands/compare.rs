//! `consort compare`: what differs between runs that make the same digits in different ways.

use crate::args::Compare;
use crate::cmad::comparison::{Entry, Figure};
use crate::plot::Plot;
use crate::report::Report;
use crate::summary::significant;
use crate::{Record, RunFolder, Summary};
use methods::metrics::Interval;
use serde::Serialize;
use std::fmt::Write;
use std::path::PathBuf;
use tensor::Device;

/// What the command line asks for.
#[derive(Serialize)]
struct Asked<'a> {
    runs: &'a [PathBuf],
    #[serde(skip_serializing_if = "Option::is_none")]
    tilt: Option<f64>,
}

const COLUMNS: [&str; 10] =
    ["run", "objective", "to the first", "psi", "energy", "guide", "judge", "own canvas", "Frechet", "diversity"];

const LEGEND: &str = "Means with 95 % bootstrap intervals over samples. Objective: lambda E + psi. To the first: the difference of objectives, \
                      pair by pair. Energy: mean square of the controls over pixels and agents. Guide, judge: share of objects that each takes \
                      for the digit. Own canvas: the judge's confidence in each agent's own. Frechet: squared, to the test set's images of the \
                      digit. Diversity: mean distance of two objects. The last three in the judge's eyes.";

pub(super) fn run(arguments: &Compare) -> anyhow::Result<Summary> {
    let entries = arguments.runs.iter().map(|dir| Entry::read(dir)).collect::<crate::Result<Vec<_>>>()?;
    entries.iter().try_for_each(|entry| entry.expect_pairs(&entries[0]))?;
    let device = Device::cpu(1);
    let asked = Asked { runs: &arguments.runs, tilt: arguments.tilt };
    let record = Record::new("compare", "compose", &device, 0).with_arguments(&asked)?;
    let mut folder = RunFolder::create(arguments.out.dir.as_deref(), &record)?;
    let rows =
        entries.iter().map(|entry| row(entry, &entries[0], arguments.tilt)).collect::<crate::Result<Vec<_>>>()?;
    folder.write("compare.md", markdown(&rows).as_bytes())?;
    let plot = psi_over_energy(&entries)?;
    folder.write("psi-energy.svg", plot.svg().as_bytes())?;
    let first = &entries[0].asked;
    let title = format!("A {} by {} agents, in {} ways", first.target, first.agents, entries.len());
    let lead = match arguments.tilt {
        Some(tilt) => format!(
            "{} samples each, of the same noise; energy priced at a tilt of {}.",
            first.samples,
            significant(tilt)
        ),
        None => format!("{} samples each, of the same noise; energy priced as each run was.", first.samples),
    };
    let report = Report::new(&title, &lead)
        .table(&COLUMNS, &rows, LEGEND)
        .plot(&plot, "What is achieved over what it costs: further down is better, further left is cheaper.")
        .repeat(&record)?;
    folder.write("report.html", report.html().as_bytes())?;
    Ok(Summary::of(&record, &device, folder.dir()).metric("runs", entries.len()))
}

fn row(entry: &Entry, first: &Entry, tilt: Option<f64>) -> crate::Result<Vec<String>> {
    let (own, objective) = (|figure| entry.interval(figure), Figure::Objective { tilt });
    let percent = |interval: Interval| {
        let Interval { value, low, high } = interval;
        format!("{:.1} % ({:.1}..{:.1})", 100.0 * value, 100.0 * low, 100.0 * high)
    };
    let number = |Interval { value, low, high }: Interval| {
        format!("{} ({}..{})", significant(value), significant(low), significant(high))
    };
    let difference = entry.difference(first, objective)?;
    let whole = |x: Option<f64>| x.map_or("-".to_owned(), significant);
    Ok(vec![
        format!("{} {}", entry.method, entry.name),
        number(own(objective)?),
        if std::ptr::eq(entry, first) { "-".into() } else { number(difference) },
        number(own(Figure::Psi)?),
        number(own(Figure::Energy)?),
        percent(own(Figure::Guide)?),
        percent(own(Figure::Judge)?),
        percent(own(Figure::OwnConfidence)?),
        whole(entry.frechet),
        whole(entry.diversity),
    ])
}

/// A table as text.
fn markdown(rows: &[Vec<String>]) -> String {
    let mut text = String::new();
    let head: Vec<String> = COLUMNS.map(Into::into).to_vec();
    let rule: Vec<String> = (0..COLUMNS.len()).map(|at| if at == 0 { "---" } else { "---:" }.into()).collect();
    for row in [&head, &rule].into_iter().chain(rows) {
        let _ = writeln!(text, "| {} |", row.join(" | ")); // a string takes everything
    }
    text
}

/// A series for each method.
fn psi_over_energy(entries: &[Entry]) -> crate::Result<Plot> {
    let mut methods: Vec<&str> = entries.iter().map(|entry| &*entry.method).collect();
    methods.sort_unstable();
    methods.dedup();
    let mut plot = Plot::new("energy: mean square of u over pixels and agents", "psi").log_x().log_y();
    for method in methods {
        let point = |entry: &Entry| -> crate::Result<(f64, f64, [f64; 2])> {
            let psi = entry.interval(Figure::Psi)?;
            Ok((entry.interval(Figure::Energy)?.value, psi.value, [psi.low, psi.high]))
        };
        let points = entries.iter().filter(|entry| entry.method == method).map(point);
        let mut points = points.collect::<crate::Result<Vec<_>>>()?;
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        plot = plot.line_with_points(method, points);
    }
    Ok(plot)
}
