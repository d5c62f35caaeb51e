package app.muzzle.ui

import android.view.View
import android.widget.ListView
import android.widget.TextView
import app.muzzle.R
import app.muzzle.core.Core
import app.muzzle.core.EventRow
import app.muzzle.core.EventWatch
import app.muzzle.core.Filter
import app.muzzle.core.Gap
import app.muzzle.core.Work
import app.muzzle.graph
import java.time.LocalDate

/**
 * Events that fit a filter, newest first, as rows: days are headings, times without protection rows of
 * their own. Reads a page at a time, as the list is scrolled; what happens meanwhile appears at the top.
 */
class EventFeed(
    private val screen: ScreenActivity,
    private val adapter: RowAdapter,
    private val list: () -> ListView,
) {
    private val graph = screen.graph
    private val revealed = HashSet<Long>()
    private val rows = ArrayList<Row>()

    /** What stands below the rows: why there are no more of them. */
    private var tail = emptyList<Row>()
    private var filter = Filter()
    private var gaps = ArrayDeque<Gap>()
    private var firstDay: LocalDate? = null
    private var day: LocalDate? = null
    private var newest = 0L
    private var lastId: Long? = null
    private var complete = false
    private var loading = false
    private var ticket: Work.Ticket? = null
    private var watch: EventWatch? = null

    /** Events read so far. */
    var count = 0
        private set

    private class Page(
        val events: List<EventRow>,
        val gaps: List<Gap>?,
    )

    /** Begins anew, with so many events at first. */
    fun start(
        filter: Filter,
        first: Int = Core.PAGE,
        then: () -> Unit = {},
    ) {
        rest()
        this.filter = filter
        rows.clear()
        tail = emptyList()
        gaps.clear()
        firstDay = null
        day = null
        newest = 0
        lastId = null
        complete = false
        count = 0
        adapter.onNearEnd = { if (!complete && !loading) next(Core.PAGE) {} }
        adapter.rows = MessageRow.loading(screen)
        next(first.coerceIn(Core.PAGE, MOST_AT_ONCE)) {
            watch()
            then()
        }
    }

    /** Nobody looks any more: nothing is read until the next [start]. */
    fun rest() {
        ticket?.cancel()
        watch?.stop()
        watch = null
    }

    /** The event in a row of the list, or below it; null where there is none. */
    fun idAt(position: Int): Long? = rows.drop(position).firstNotNullOfOrNull { (it as? EventLine)?.event?.id }

    /** The row of an event that was read. */
    fun positionOf(id: Long): Int? = rows.indexOfFirst { (it as? EventLine)?.event?.id == id }.takeIf { it >= 0 }

    private fun watch() {
        if (watch != null) return
        val watch = EventWatch({ graph.core }, filter, newest, screen.faces::learnFrom, ::prepend)
        this.watch = watch
        graph.watching.execute(watch)
    }

    /** Puts newer events, the oldest first, at the top. A list that was scrolled stays where it is. */
    private fun prepend(events: List<EventRow>) {
        val before = rows.size
        for (event in events) {
            val its = screen.times.dayOf(event.time)
            if (firstDay?.let { its > it } != false) {
                rows.add(0, HeadingRow(screen.times.day(its)))
                firstDay = its
                if (day == null) day = its
            }
            rows.add(1, EventLine(event))
        }
        count += events.size
        newest = events.last().id
        if (lastId == null) lastId = events.first().id
        keepPlace(rows.size - before) { adapter.rows = rows + tail }
    }

    private fun keepPlace(
        more: Int,
        change: () -> Unit,
    ) {
        val list = list()
        val first = list.firstVisiblePosition
        val offset = list.getChildAt(0)?.top?.minus(list.paddingTop) ?: 0
        change()
        val scrolled = first > 0 || offset < 0
        if (scrolled && first >= list.headerViewsCount) list.setSelectionFromTop(first + more, offset)
    }

    private fun next(
        limit: Int,
        then: () -> Unit,
    ) {
        loading = true
        val before = lastId
        val wanted = filter
        ticket =
            screen.load({ read(wanted, before, limit) }, failed = { fail(it, limit, then) }) {
                loading = false
                it.gaps?.let { found -> gaps = ArrayDeque(found) }
                append(it.events, limit)
                then()
            }
    }

    private fun read(
        filter: Filter,
        before: Long?,
        limit: Int,
    ): Page {
        val events = graph.core.events(filter, before, limit = limit)
        screen.faces.learnFrom(events)
        val plain = filter.copy(since = null, until = null).isEmpty
        val gaps = if (plain && before == null) graph.core.gaps(filter.since) else null
        return Page(events, gaps?.filter { it.start < (filter.until ?: Long.MAX_VALUE) }?.sortedByDescending { it.start })
    }

    private fun fail(
        error: Throwable,
        limit: Int,
        then: () -> Unit,
    ) {
        // Stops the list from asking again by itself.
        complete = true
        loading = false
        tail =
            MessageRow.failed(screen, error) {
                complete = false
                next(limit, then)
            }
        adapter.rows = rows + tail
    }

    private fun append(
        events: List<EventRow>,
        limit: Int,
    ) {
        for (event in events) {
            gapsAfter(event.time)
            heading(event.time)
            rows += EventLine(event)
        }
        tail = emptyList()
        count += events.size
        if (lastId == null) newest = events.firstOrNull()?.id ?: 0
        lastId = events.lastOrNull()?.id ?: lastId
        complete = events.size < limit
        if (complete) gapsAfter(Long.MIN_VALUE)
        adapter.rows = rows.ifEmpty { nothing() }.toList()
    }

    private fun nothing() =
        if (filter.isEmpty) {
            MessageRow.empty(screen, R.string.timeline_empty, R.string.nothing_yet)
        } else {
            MessageRow.empty(screen, R.string.nothing_fits, R.string.nothing_fits_text)
        }

    private fun gapsAfter(time: Long) {
        while (gaps.isNotEmpty() && gaps.first().start >= time) {
            val gap = gaps.removeFirst()
            heading(gap.start)
            rows += GapLine(gap)
        }
    }

    private fun heading(time: Long) {
        val its = screen.times.dayOf(time)
        if (its == day) return
        day = its
        if (rows.isEmpty()) firstDay = its
        rows += HeadingRow(screen.times.day(its))
    }

    private inner class EventLine(
        val event: EventRow,
    ) : Row {
        override val layout = R.layout.event_row

        override fun fill(view: View) {
            screen.faces.icon(view.find(R.id.event_app), event.hint ?: event.packageName)
            view.find<TextView>(R.id.event_sentence).text = sentence(screen, event, screen.faces.sender(event))
            fillValue(view.find(R.id.event_value))
            val outcome = view.find<TextView>(R.id.event_outcome)
            val word = screen.getString(event.outcome.word)
            val time = screen.times.time(event.time)
            val place = event.host?.takeIf { event.kinds.isNotEmpty() }
            outcome.text = listOfNotNull(time, word, place).joinToString(" · ")
            outcome.setCompoundDrawablesRelativeWithIntrinsicBounds(event.outcome.icon, 0, 0, 0)
            view.setOnClickListener { screen.startActivity(EventActivity.of(screen, event.id)) }
        }

        private fun fillValue(view: TextView) {
            val covered = graph.settings.now.hideValues && event.id !in revealed
            view.line(if (covered && event.value != null) screen.getString(R.string.value_hidden) else event.value)
            view.minHeight = if (covered) screen.resources.getDimensionPixelSize(R.dimen.touch) else 0
            view.setOnClickListener(
                if (!covered) {
                    null
                } else {
                    View.OnClickListener {
                        revealed += event.id
                        adapter.notifyDataSetChanged()
                    }
                },
            )
            view.isClickable = covered
        }
    }

    private inner class GapLine(
        private val gap: Gap,
    ) : Row {
        override val layout = R.layout.gap_row

        override fun fill(view: View) {
            view.find<TextView>(R.id.gap_title).setText(R.string.attention_gap)
            val span = screen.times.span(gap.start, gap.end)
            view.find<TextView>(R.id.gap_text).text = listOf(span, GAPS.word(screen, gap.reason)).joinToString(" · ")
        }
    }

    companion object {
        /** The core gives no more in one answer. */
        const val MOST_AT_ONCE = 1000

        /** Layouts that the adapter must know. */
        val LAYOUTS = intArrayOf(R.layout.heading_row, R.layout.event_row, R.layout.gap_row, R.layout.message_row)
    }
}
