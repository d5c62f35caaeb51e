package app.muzzle.ui

import android.content.Intent
import android.provider.Settings
import android.view.View
import android.view.ViewGroup
import android.widget.Button
import android.widget.ImageView
import android.widget.LinearLayout
import android.widget.TextView
import app.muzzle.R
import app.muzzle.core.Bar
import app.muzzle.core.Counts
import app.muzzle.core.Filter
import app.muzzle.core.KindCount
import app.muzzle.core.Outcome
import app.muzzle.graph
import app.muzzle.service.ProtectionState
import java.text.DateFormat
import java.text.NumberFormat
import java.time.LocalDate
import java.util.Date

/** Whether protection runs, what was stopped today, and what needs the owner. */
class HomePage(
    private val main: MainActivity,
) : Page(main) {
    private val graph = main.graph
    private val root: ViewGroup by lazy { main.inflate(R.layout.home, main.find(R.id.content)) as ViewGroup }
    private val stateListener: (ProtectionState) -> Unit = { showState(it) }

    private class Loaded(
        val bars: List<Bar>,
        val kinds: List<KindCount>,
        val attention: List<Attention>,
    )

    override fun shown() {
        main.show(root)
        graph.protection.listen(stateListener)
        showState(graph.protection.state)
        reload()
    }

    override fun hidden() = graph.protection.forget(stateListener)

    private fun reload() {
        main.load({ read() }, failed = { main.showError(it) { shown() } }) {
            showToday(it.bars.last().counts)
            showChart(it.bars)
            showKinds(it.kinds)
            showAttention(it.attention)
        }
    }

    private fun read(): Loaded {
        val days = (DAYS - 1 downTo 0).map { midnight(it) }
        val bars = graph.core.chart(days + midnight(-1))
        return Loaded(bars, graph.core.kinds(days.first()), attentionOf(main, graph))
    }

    /** Midnight some days ago, milliseconds. */
    private fun midnight(daysAgo: Int): Long =
        LocalDate
            .now(graph.clock)
            .minusDays(daysAgo.toLong())
            .atStartOfDay(graph.clock.zone)
            .toInstant()
            .toEpochMilli()

    private fun showState(state: ProtectionState) {
        val words = stateWords(main, state)
        root.find<TextView>(R.id.state_title).change(words.title)
        root.find<TextView>(R.id.state_text).change(words.text)
        val icon = root.find<ImageView>(R.id.state_icon)
        icon.setImageResource(if (state is ProtectionState.On) R.drawable.ic_answered else R.drawable.ic_gap)
        icon.setColorFilter(main.getColor(if (state is ProtectionState.On) R.color.stopped else R.color.unprotected))
        val action = root.find<Button>(R.id.state_action)
        val second = root.find<Button>(R.id.state_second)
        second.visibility = View.GONE
        action.isEnabled = state !is ProtectionState.Starting
        when (state) {
            is ProtectionState.On -> {
                action.act(R.string.pause) { graph.protection.pause(PAUSE_MINUTES) }
                second.act(R.string.stop) { graph.protection.stop() }
            }
            is ProtectionState.Paused -> {
                action.act(R.string.resume) { graph.protection.resume() }
                second.act(R.string.stop) { graph.protection.stop() }
            }
            else -> action.act(R.string.turn_on) { main.grant.turnOn() }
        }
    }

    /** What is set anew while the page comes back is laid out from left to right, whatever the language. */
    private fun TextView.change(words: String) {
        if (!text.contentEquals(words)) text = words
    }

    private fun Button.act(
        word: Int,
        what: () -> Unit,
    ) {
        visibility = View.VISIBLE
        setText(word)
        setOnClickListener { what() }
    }

    /** Each figure leads to the events that it counts. Two that are rare stand there only where they are not nought. */
    private fun showToday(counts: Counts) {
        val figures =
            listOfNotNull(
                Figure(counts.stopped, Outcome.STOPPED, R.string.stopped),
                Figure(counts.answered, Outcome.ANSWERED).takeIf { it.number > 0 },
                Figure(counts.readable, Outcome.READABLE),
                Figure(counts.encrypted, Outcome.ENCRYPTED),
                Figure(counts.unread, Outcome.UNREAD).takeIf { it.number > 0 },
            )
        val today = root.find<LinearLayout>(R.id.today)
        today.removeAllViews()
        for (some in figures.chunked(if (figures.size == 4) 2 else 3)) {
            val row = LinearLayout(main)
            row.isBaselineAligned = false
            some.forEach { figure(row, it) }
            today.addView(row)
        }
    }

    private class Figure(
        val number: Long,
        val outcome: Outcome,
        val word: Int = outcome.word,
    )

    private fun figure(
        row: ViewGroup,
        figure: Figure,
    ) {
        val view = main.inflate(R.layout.figure, row)
        view.find<ImageView>(R.id.figure_icon).setImageResource(figure.outcome.icon)
        view.find<TextView>(R.id.figure_number).text = NumberFormat.getIntegerInstance().format(figure.number)
        view.find<TextView>(R.id.figure_word).setText(figure.word)
        view.setOnClickListener { main.timeline().filter(Filter(outcome = figure.outcome, since = midnight(0))) }
        val between = main.resources.getDimensionPixelSize(R.dimen.edge) / 2
        (view.layoutParams as LinearLayout.LayoutParams).marginStart = if (row.childCount == 0) 0 else between
        row.addView(view)
    }

    private fun showChart(bars: List<Bar>) {
        val chart = root.find<DayChart>(R.id.chart)
        chart.show(bars, graph.clock.zone)
        chart.onBar = { main.timeline().filter(Filter(since = bars[it].since, until = bars[it].since + DAY_MS)) }
        val legend = root.find<LinearLayout>(R.id.legend)
        legend.removeAllViews()
        val parts = listOf(Outcome.STOPPED to R.string.stopped) + listOf(Outcome.READABLE, Outcome.ENCRYPTED).map { it to it.word }
        for ((outcome, word) in parts) {
            val line = TextView(main)
            line.setTextAppearance(R.style.Text_Small)
            line.textAlignment = View.TEXT_ALIGNMENT_VIEW_START
            line.setText(word)
            line.setCompoundDrawablesRelativeWithIntrinsicBounds(outcome.icon, 0, 0, 0)
            line.compoundDrawablePadding = main.resources.getDimensionPixelSize(R.dimen.edge) / 2
            legend.addView(line)
        }
    }

    private fun showKinds(kinds: List<KindCount>) {
        val list = root.find<LinearLayout>(R.id.kinds)
        list.removeAllViews()
        if (kinds.isEmpty()) {
            val nothing = TextView(main)
            nothing.setTextAppearance(R.style.Text_Small)
            nothing.textAlignment = View.TEXT_ALIGNMENT_VIEW_START
            nothing.setText(R.string.nothing_yet)
            list.addView(nothing)
        }
        for (kind in kinds.take(TOP_KINDS)) {
            val row = main.inflate(R.layout.kind_row, list)
            row.find<TextView>(R.id.kind_word).text = KINDS.word(main, kind.kind)
            row.find<TextView>(R.id.kind_count).text = NumberFormat.getIntegerInstance().format(kind.events)
            row.find<ShareBar>(R.id.kind_bar).share = kind.events.toFloat() / kinds.first().events
            row.setOnClickListener { main.timeline().filter(Filter(kind = kind.kind, since = midnight(DAYS - 1))) }
            list.addView(row)
        }
    }

    private fun showAttention(all: List<Attention>) {
        val list = root.find<LinearLayout>(R.id.attention)
        list.removeAllViews()
        for (item in all) {
            val card = main.inflate(R.layout.attention_card, list)
            card.find<TextView>(R.id.attention_title).text = item.title
            card.find<TextView>(R.id.attention_text).text = item.text
            card.find<Button>(R.id.attention_hide).setOnClickListener {
                main.load({ graph.settings.update { it.copy(dismissed = it.dismissed + item.code) } }) { list.removeView(card) }
            }
            val fix = card.find<Button>(R.id.attention_fix)
            fix.shown(item.fix != null)
            fix.setOnClickListener { main.leadTo(listOfNotNull(item.fix, Intent(Settings.ACTION_SETTINGS))) }
            list.addView(card)
        }
    }

    private companion object {
        const val DAYS = 7
        const val TOP_KINDS = 6
        const val PAUSE_MINUTES = 15
    }
}

data class StateWords(
    val title: String,
    val text: String,
)

/** The state of protection, as the home screen, the notification and the tile say it. */
fun stateWords(
    context: android.content.Context,
    state: ProtectionState,
): StateWords {
    fun time(at: Long) = DateFormat.getTimeInstance(DateFormat.SHORT).format(Date(at))
    return when (state) {
        ProtectionState.Off -> StateWords(context.getString(R.string.not_protected), context.getString(R.string.off_text))
        ProtectionState.Starting -> StateWords(context.getString(R.string.starting), "")
        is ProtectionState.On ->
            StateWords(context.getString(R.string.protected_on), context.getString(R.string.on_since, time(state.since)))
        is ProtectionState.Paused ->
            StateWords(
                context.getString(R.string.paused_until, time(state.until)),
                context.getString(R.string.paused_text),
            )
        is ProtectionState.Failed ->
            StateWords(context.getString(R.string.not_protected), context.getString(state.why.words))
    }
}
