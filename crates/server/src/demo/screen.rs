//! The demo's progress as a screen: figures on top, below them the newest rows of the three views.

use super::progress::{Figures, Progress};
use super::views::{self, ViewRows};
use super::{DemoError, Facts};
use ratatui::Frame;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Modifier, Style};
use ratatui::text::Line;
use ratatui::widgets::{Block, Cell, Paragraph, Row, Table};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio_postgres::Client;

/// Time between two refreshes.
const REFRESH_MILLIS: u64 = 250;

/// How often the keyboard thread looks whether the screen is gone.
const KEY_POLL_MILLIS: u64 = 100;

/// Lines of the figures above the views.
const HEADER_LINES: u16 = 4;

/// Lines of a view's frame and titles.
const VIEW_FRAME_LINES: u16 = 3;

/// Shows the screen until `q`, Escape or Ctrl+C.
///
/// # Errors
///
/// The terminal's, or whatever reading the views raises.
pub async fn show(watcher: &Client, facts: &Facts, progress: &Progress) -> Result<(), DemoError> {
    let mut terminal = Screen(ratatui::try_init()?);
    let mut keys = quit_keys();
    let mut ticks = tokio::time::interval(Duration::from_millis(REFRESH_MILLIS));
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            _ = keys.recv() => return Ok(()),
        }
        let size = terminal.0.size()?;
        let views = views::newest(watcher, rows_each(size.height)).await?;
        let figures = progress.figures(Instant::now());
        terminal.0.draw(|frame| draw(frame, facts, &figures, &views))?;
    }
}

/// A terminal in raw mode and its alternate screen, until dropped.
struct Screen(ratatui::DefaultTerminal);

impl Drop for Screen {
    fn drop(&mut self) {
        ratatui::restore();
    }
}

/// A channel that hears when somebody wants to stop. Reading keys blocks, hence the thread; it ends with the channel.
fn quit_keys() -> mpsc::Receiver<()> {
    let (sender, receiver) = mpsc::channel(1);
    std::thread::spawn(move || {
        while !sender.is_closed() {
            match event::poll(Duration::from_millis(KEY_POLL_MILLIS)) {
                Ok(false) => continue,
                Ok(true) => {}
                Err(_) => return,
            }
            if event::read().is_ok_and(|event| asks_to_quit(&event)) && sender.blocking_send(()).is_err() {
                return;
            }
        }
    });
    receiver
}

fn asks_to_quit(event: &Event) -> bool {
    let Event::Key(key) = event else { return false };
    let interrupt = key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL);
    key.kind == KeyEventKind::Press && (interrupt || matches!(key.code, KeyCode::Char('q') | KeyCode::Esc))
}

/// The rows of each view that a terminal of this height has room for.
fn rows_each(height: u16) -> usize {
    let each = height.saturating_sub(HEADER_LINES) / 3;
    usize::from(each.saturating_sub(VIEW_FRAME_LINES).max(1))
}

fn draw(frame: &mut Frame<'_>, facts: &Facts, figures: &Figures, views: &[ViewRows]) {
    let [header, body] = Layout::vertical([Constraint::Length(HEADER_LINES), Constraint::Min(0)]).areas(frame.area());
    let bold = Style::new().add_modifier(Modifier::BOLD);
    let lines = vec![
        Line::styled(format!("Headwater demo: {}", facts.server), bold),
        Line::raw(format!("{}   (q quits)", facts.psql)),
        Line::styled(figures.to_string(), bold),
    ];
    frame.render_widget(Paragraph::new(lines), header);
    let areas: [Rect; 3] = Layout::vertical([Constraint::Fill(1); 3]).areas(body);
    for (view, area) in views.iter().zip(areas) {
        frame.render_widget(table(view), area);
    }
}

fn table(view: &ViewRows) -> Table<'_> {
    let widths = view.titles.iter().enumerate().map(|(column, title)| {
        let widest = view.rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
        let width = widest.unwrap_or(0).max(title.len());
        Constraint::Length(u16::try_from(width).unwrap_or(u16::MAX))
    });
    let rows = view.rows.iter().map(|row| Row::new(row.iter().map(|cell| Cell::from(cell.as_str()))));
    Table::new(rows, widths)
        .header(Row::new(view.titles.clone()).style(Style::new().add_modifier(Modifier::BOLD)))
        .column_spacing(2)
        .block(Block::bordered().title(view.name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    #[test]
    fn the_screen_shows_figures_and_views() {
        let facts = Facts { server: "server at 127.0.0.1:4566".into(), psql: "psql -h localhost".into() };
        let figures =
            Figures { events: 42, rate: 50.0, visible: Some((Duration::from_millis(1), Duration::from_millis(2))) };
        let view =
            |name| ViewRows { name, titles: vec!["window_start", "clicks"], rows: vec![vec!["w".into(), "7".into()]] };
        let views = [view("campaign_performance"), view("channel_attribution"), view("ab_test_results")];
        let mut terminal = Terminal::new(TestBackend::new(100, 24)).expect("a terminal in memory");
        terminal.draw(|frame| draw(frame, &facts, &figures, &views)).expect("drawing in memory");
        let screen = terminal.backend().to_string();
        for text in ["42 events", "p50 1.00 ms", "campaign_performance", "ab_test_results", "window_start"] {
            assert!(screen.contains(text), "{text} is missing in\n{screen}");
        }
    }

    #[test]
    fn small_terminals_show_at_least_a_row_of_each_view() {
        assert_eq!(rows_each(0), 1);
        assert_eq!(rows_each(40), 9);
    }
}
