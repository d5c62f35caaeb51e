package app.muzzle.ui

import android.app.AlertDialog
import android.os.Bundle
import android.view.ViewGroup
import android.widget.EditText
import android.widget.LinearLayout
import android.widget.ListView
import android.widget.TextView
import app.muzzle.R
import app.muzzle.core.Filter
import app.muzzle.core.Outcome
import app.muzzle.graph
import org.json.JSONObject

/** What apps tried to send, day by day, with chips and a search that narrow it down. */
class TimelinePage(
    screen: ScreenActivity,
) : Page(screen) {
    private val graph = screen.graph
    private val adapter = RowAdapter(screen, EventFeed.LAYOUTS)
    private val root by lazy(::makeRoot)
    private val list get() = root.find<ListView>(R.id.list)
    private val feed = EventFeed(screen, adapter) { list }
    private var filter = Filter()

    /** Events and place to begin with, after a rotation or the end of the process. */
    private var count = 0
    private var top = 0L

    override fun shown() {
        screen.show(root)
        showChips()
        feed.start(filter, count) { feed.positionOf(top)?.let(list::setSelection) }
    }

    override fun hidden() {
        count = feed.count
        val first = list.firstVisiblePosition
        // At the very top it stays there, whatever came meanwhile.
        top = if (first == 0) 0 else feed.idAt(first) ?: 0
        feed.rest()
    }

    /** Shows what fits, from now on. */
    fun filter(filter: Filter) {
        this.filter = filter
        root.find<EditText>(R.id.search).show(filter.text.orEmpty())
        restart()
    }

    override fun save(state: Bundle) {
        state.putString(FILTER, filter.json().toString())
        state.putInt(COUNT, if (feed.count > 0) feed.count else count)
        state.putLong(TOP, top)
    }

    override fun restore(state: Bundle) {
        filter = state.getString(FILTER)?.let { Filter.of(JSONObject(it)) } ?: Filter()
        count = state.getInt(COUNT)
        top = state.getLong(TOP)
    }

    private fun restart() {
        count = 0
        top = 0
        showChips()
        feed.start(filter)
    }

    private fun change(new: Filter) {
        if (new == filter) return
        filter = new
        restart()
    }

    private fun makeRoot(): ViewGroup {
        val view = screen.inflate(R.layout.list_page, screen.find(R.id.content)) as ViewGroup
        view.find<ListView>(R.id.list).adapter = adapter
        view.find<EditText>(R.id.search).search(R.string.search_events, filter.text.orEmpty()) {
            change(filter.copy(text = it.ifEmpty { null }))
        }
        return view
    }

    private fun showChips() {
        val chips = root.find<LinearLayout>(R.id.chips)
        chips.removeAllViews()
        chip(chips, R.string.filter_kind, filter.kind?.let { KINDS.word(screen, it) }, ::chooseKind)
        chip(chips, R.string.filter_app, filter.packageName?.let(screen.faces::label), ::chooseApp)
        chip(chips, R.string.filter_outcome, filter.outcome?.let { screen.getString(it.word) }, ::chooseOutcome)
        chip(chips, R.string.filter_host, filter.host, ::chooseHost)
        val since = filter.since
        if (since != null) {
            val from = screen.times.day(screen.times.dayOf(since))
            val word = if (filter.until == null) screen.getString(R.string.filter_since, from) else from
            chip(chips, R.string.filter_since, word) { change(filter.copy(since = null, until = null)) }
        }
        if (!filter.isEmpty) chip(chips, R.string.filter_clear, null) { filter(Filter()) }
    }

    private fun chip(
        into: LinearLayout,
        name: Int,
        chosen: String?,
        touched: () -> Unit,
    ) {
        val chip = screen.inflate(R.layout.chip, into) as TextView
        chip.text = chosen ?: screen.getString(name)
        chip.isSelected = chosen != null
        chip.setOnClickListener { touched() }
        into.addView(chip)
    }

    private fun chooseKind() =
        screen.load({ graph.core.kinds().map { it.kind } }) { kinds ->
            choose(R.string.filter_kind, kinds.map { KINDS.word(screen, it) to it }) { change(filter.copy(kind = it)) }
        }

    private fun chooseApp() =
        screen.load({
            val packages = graph.core.apps().mapNotNull { it.packageName }.distinct()
            screen.faces.learn(packages)
            packages
        }) { packages ->
            choose(R.string.filter_app, packages.map { screen.faces.label(it) to it }) {
                change(filter.copy(packageName = it))
            }
        }

    private fun chooseOutcome() =
        choose(R.string.filter_outcome, Outcome.entries.map { screen.getString(it.word) to it }) {
            change(filter.copy(outcome = it))
        }

    private fun chooseHost() =
        screen.load({ graph.core.hosts().map { it.host } }) { hosts ->
            choose(R.string.filter_host, hosts.map { it to it }) { change(filter.copy(host = it)) }
        }

    /** Asks for one of these, or for none of them. */
    private fun <T> choose(
        title: Int,
        choices: List<Pair<String, T>>,
        then: (T?) -> Unit,
    ) {
        val words = listOf(screen.getString(R.string.filter_any)) + choices.map { it.first }
        AlertDialog
            .Builder(screen)
            .setTitle(title)
            .setItems(words.toTypedArray()) { _, at -> then(choices.getOrNull(at - 1)?.second) }
            .show()
    }

    private companion object {
        const val FILTER = "timeline-filter"
        const val COUNT = "timeline-count"
        const val TOP = "timeline-top"
    }
}
