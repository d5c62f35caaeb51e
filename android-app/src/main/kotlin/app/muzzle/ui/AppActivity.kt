package app.muzzle.ui

import android.content.Context
import android.content.Intent
import android.os.Bundle
import android.widget.Button
import android.widget.LinearLayout
import android.widget.ListView
import android.widget.TextView
import app.muzzle.R
import app.muzzle.apps.InstalledApp
import app.muzzle.core.Counts
import app.muzzle.core.Filter
import app.muzzle.graph
import app.muzzle.settings.withApps

/** One app: its switch, the hosts it speaks to, what it sent, its identifiers, and its last stops. */
class AppActivity : ScreenActivity() {
    private enum class Part(
        val word: Int,
    ) {
        HOSTS(R.string.tab_hosts),
        EVENTS(R.string.events),
        IDENTIFIERS(R.string.identifiers),
        STOPS(R.string.something_broke),
    }

    private val appPackage get() = checkNotNull(intent.getStringExtra(PACKAGE))
    private val list by lazy { inflate(R.layout.list, find(R.id.content)) as ListView }
    private val header by lazy { inflate(R.layout.app_header, list) }
    private val adapter by lazy { RowAdapter(this, EventFeed.LAYOUTS + LAYOUTS) }
    private val feed by lazy { EventFeed(this, adapter) { list } }
    private val revealed = HashSet<String>()
    private var part = Part.HOSTS
    private var top = 0

    override fun onCreate(savedInstanceState: Bundle?) {
        super.onCreate(savedInstanceState)
        part = Part.entries[savedInstanceState?.getInt(PART) ?: 0]
        top = savedInstanceState?.getInt(TOP) ?: 0
        toolbar.setTitle(R.string.app)
        showUp()
        list.addHeaderView(header, null, false)
        list.adapter = adapter
        show(list)
        header.find<Button>(R.id.app_broke).setOnClickListener { choose(Part.STOPS) }
    }

    override fun onResume() {
        super.onResume()
        loadHeader()
        choose(part)
    }

    override fun onPause() {
        feed.rest()
        top = list.firstVisiblePosition
        super.onPause()
    }

    override fun onSaveInstanceState(state: Bundle) {
        super.onSaveInstanceState(state)
        state.putInt(PART, part.ordinal)
        state.putInt(TOP, top)
    }

    private fun loadHeader() =
        load({
            faces.learn(listOf(appPackage))
            val counts = graph.core.apps(times.midnight()).filter { it.packageName == appPackage }
            graph.apps.find(appPackage) to counts.fold(Counts()) { sum, line -> sum + line.counts }
        }) { (app, counts) -> showHeader(app, counts) }

    private fun showHeader(
        app: InstalledApp?,
        counts: Counts,
    ) {
        val label = app?.label ?: appPackage
        toolbar.title = label
        AppsPage.fillApp(this, header, appPackage, app, counts)
        header.find<ChoiceBar>(R.id.app_setting).show(
            AppsPage.SETTINGS.map { it.word },
            AppsPage.SETTINGS.indexOf(graph.settings.now.settingOf(appPackage)),
            getString(R.string.setting_of, label),
        ) { at ->
            val setting = AppsPage.SETTINGS[at]
            val done = {
                showHeader(app, counts)
                choose(part)
            }
            change(getString(R.string.app_set, label, getString(setting.word)), done) { it.withApps(listOf(appPackage), setting) }
        }
    }

    private fun choose(chosen: Part) {
        part = chosen
        val chips = header.find<LinearLayout>(R.id.chips)
        chips.removeAllViews()
        for (each in Part.entries.filter { it != Part.STOPS }) {
            val chip = inflate(R.layout.chip, chips) as TextView
            chip.setText(each.word)
            chip.isSelected = each == chosen
            chip.setOnClickListener { choose(each) }
            chips.addView(chip)
        }
        header.find<Button>(R.id.app_broke).isSelected = chosen == Part.STOPS
        adapter.onNearEnd = {}
        feed.rest()
        when (chosen) {
            Part.HOSTS -> loadHosts()
            Part.EVENTS -> feed.start(Filter(packageName = appPackage), then = ::place)
            Part.IDENTIFIERS -> loadIdentifiers()
            Part.STOPS -> loadStops()
        }
    }

    /** Back to where the list was before a rotation. */
    private fun place() {
        if (top > 0) list.setSelection(top)
        top = 0
    }

    private fun rows(
        empty: Int,
        read: () -> List<Row>,
    ) {
        val wanted = part
        if (adapter.isEmpty) adapter.rows = MessageRow.loading(this)
        load(read, failed = { adapter.rows = MessageRow.failed(this, it) { choose(part) } }) { rows ->
            if (part == wanted) {
                adapter.rows = rows.ifEmpty { MessageRow.empty(this, empty, R.string.nothing_yet) }
                place()
            }
        }
    }

    private fun loadHosts() =
        rows(R.string.no_hosts) {
            val uid = graph.apps.find(appPackage)?.uid
            graph.core.hosts(appPackage, uid).map { HostLine(this, it, appPackage) { choose(part) } }
        }

    private fun loadIdentifiers() =
        rows(R.string.no_identifiers) {
            val found = graph.core.identifiers(appPackage)
            faces.learn(found.flatMap { it.apps }.distinct())
            found.map { IdentifierLine(this, it, revealed) { adapter.notifyDataSetChanged() } }
        }

    private fun loadStops() =
        rows(R.string.no_stops) {
            val stops = graph.core.stops(appPackage).map { StopLine(this, it, appPackage) { choose(part) } }
            if (stops.isEmpty()) stops else listOf(HeadingRow(getString(R.string.last_stops))) + stops
        }

    companion object {
        private val LAYOUTS = intArrayOf(R.layout.host_row, R.layout.stop_row, R.layout.identifier_row)
        private const val PACKAGE = "package"
        private const val PART = "part"
        private const val TOP = "top"

        fun of(
            context: Context,
            packageName: String,
        ): Intent = Intent(context, AppActivity::class.java).putExtra(PACKAGE, packageName)
    }
}
