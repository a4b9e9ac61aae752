//! `report.html`: one file with everything in it, for light and dark screens and for paper.
//!
//! A report is sections of prose, figures and tables, in the order they are given; the head has the few numbers that
//! matter, the end how to do it again.

mod canvas;

pub use canvas::{AGENTS, sheet, tint};

use crate::markup::{data_uri, escape};
use crate::plot::Plot;
use crate::{Record, Result};
use data::png_io::Picture;
use std::fmt::Write;

/// A report being put together.
#[derive(Clone, Debug)]
pub struct Report {
    title: String,
    lead: String,
    numbers: Vec<(String, String)>,
    body: String,
    end: String,
}

/// A picture in a figure.
#[derive(Clone, Debug)]
pub struct Panel {
    /// A PNG file.
    png: Vec<u8>,
    width: usize,
    label: String,
}

impl Panel {
    /// A picture, each of its pixels `zoom` wide, with a few words under it. An error when it cannot be encoded.
    pub fn new(picture: &Picture, zoom: usize, label: &str) -> data::Result<Panel> {
        Ok(Panel { png: picture.encode()?, width: picture.width * zoom, label: label.into() })
    }

    fn html(&self) -> String {
        let Panel { png, width, label } = self;
        let (source, label) = (data_uri("image/png", png), words(label));
        let alt = escape(&self.label);
        let under = if label.is_empty() { String::new() } else { format!("<span>{label}</span>") };
        format!("<div class=\"panel\"><img src=\"{source}\" style=\"width:{width}px\" alt=\"{alt}\">{under}</div>")
    }
}

impl Report {
    /// An empty report: a title, and a sentence that says what was done.
    pub fn new(title: &str, lead: &str) -> Report {
        Report { title: title.into(), lead: lead.into(), numbers: vec![], body: String::new(), end: String::new() }
    }

    /// With one of the few numbers that matter, at the head.
    pub fn number(mut self, name: &str, value: &str) -> Report {
        self.numbers.push((name.into(), value.into()));
        self
    }

    /// With a heading.
    pub fn section(self, heading: &str) -> Report {
        self.with(format_args!("<h2>{}</h2>\n", words(heading)))
    }

    /// With a paragraph; what stands in backquotes is code.
    pub fn prose(self, text: &str) -> Report {
        self.with(format_args!("<p>{}</p>\n", words(text)))
    }

    /// With pictures side by side, over a caption.
    pub fn figure(self, panels: &[Panel], caption: &str) -> Report {
        let panels: String = panels.iter().map(Panel::html).collect();
        self.captioned(&format!("<div class=\"panels\">{panels}</div>"), caption)
    }

    /// With pictures in a grid whose every row has a name at its left, over a caption: agents over time, say.
    pub fn rows(self, rows: &[(&str, Vec<Panel>)], caption: &str) -> Report {
        let row = |(name, panels): &(&str, Vec<Panel>)| {
            let panels: String = panels.iter().map(|panel| format!("<td>{}</td>", panel.html())).collect();
            format!("<tr><th scope=\"row\">{}</th>{panels}</tr>", words(name))
        };
        let rows: String = rows.iter().map(row).collect();
        self.captioned(&format!("<div class=\"scroll\"><table class=\"strip\">{rows}</table></div>"), caption)
    }

    /// With a plot, over a caption.
    pub fn plot(self, plot: &Plot, caption: &str) -> Report {
        self.captioned(&plot.svg(), caption)
    }

    /// With a table: its columns' names, then rows of as many cells. All but the first column are set as numbers.
    pub fn table(self, columns: &[&str], rows: &[Vec<String>], caption: &str) -> Report {
        let cells = |tag: &str, row: &mut dyn Iterator<Item = String>| {
            row.map(|cell| format!("<{tag}>{}</{tag}>", words(&cell))).collect::<String>()
        };
        let head = cells("th", &mut columns.iter().map(ToString::to_string));
        let body: String =
            rows.iter().map(|row| format!("<tr>{}</tr>", cells("td", &mut row.iter().cloned()))).collect();
        let table = format!("<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>");
        self.captioned(&format!("<div class=\"scroll\">{table}</div>"), caption)
    }

    /// With how to do it again at the end: the command line, and all that `run.toml` holds. An error when that is no TOML.
    pub fn repeat(mut self, record: &Record) -> Result<Report> {
        let Record { version, started, device, threads, seed, command_line, .. } = record;
        let (line, all) = (escape(command_line), escape(&record.to_toml()?));
        let threads = if *threads == 1 { "1 thread".into() } else { format!("{threads} threads") };
        self.end = format!(
            "<h2>To do it again</h2>\n<pre class=\"command\"><code>{line}</code></pre>\n\
             <details><summary>All settings, as in <code>run.toml</code></summary><pre><code>{all}</code></pre></details>\n\
             <footer>consort {version} · {} on {threads} · seed {seed} · {started}</footer>\n",
            escape(device),
        );
        Ok(self)
    }

    /// The file.
    pub fn html(&self) -> String {
        let (title, lead) = (words(&self.title), words(&self.lead));
        let plain = escape(&self.title);
        let number =
            |(name, value): &(String, String)| format!("<div><dt>{}</dt><dd>{}</dd></div>", words(name), words(value));
        let numbers: String = self.numbers.iter().map(number).collect();
        let numbers = if numbers.is_empty() { numbers } else { format!("<dl class=\"numbers\">{numbers}</dl>\n") };
        let (style, body, end) = (include_str!("style.css"), &self.body, &self.end);
        format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"color-scheme\" content=\"light dark\">\n<title>{plain}</title>\n<style>\n{style}</style>\n</head>\n\
             <body>\n<main>\n<header>\n<h1>{title}</h1>\n<p class=\"lead\">{lead}</p>\n{numbers}</header>\n{body}{end}</main>\n\
             </body>\n</html>\n"
        )
    }

    fn captioned(self, inside: &str, caption: &str) -> Report {
        let caption =
            if caption.is_empty() { String::new() } else { format!("<figcaption>{}</figcaption>", words(caption)) };
        self.with(format_args!("<figure>{inside}{caption}</figure>\n"))
    }

    fn with(mut self, html: std::fmt::Arguments<'_>) -> Report {
        let _ = self.body.write_fmt(html); // a string takes everything
        self
    }
}

/// Text with what stands in backquotes as code.
fn words(text: &str) -> String {
    let parts = text.split('`').enumerate();
    parts.map(|(at, part)| if at % 2 == 1 { format!("<code>{}</code>", escape(part)) } else { escape(part) }).collect()
}

#[cfg(test)]
mod tests;
