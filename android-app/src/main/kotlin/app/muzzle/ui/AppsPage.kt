package app.muzzle.ui

import android.os.Bundle
import android.view.View
import android.view.ViewGroup
import android.widget.Button
import android.widget.EditText
import android.widget.FrameLayout
import android.widget.ImageView
import android.widget.LinearLayout
import android.widget.ListView
import android.widget.TextView
import app.muzzle.R
import app.muzzle.apps.InstalledApp
import app.muzzle.core.Counts
import app.muzzle.graph
import app.muzzle.settings.AppSetting
import app.muzzle.settings.withApps

/** Every app with its three-part switch, the most active first. */
class AppsPage(
    screen: ScreenActivity,
) : Page(screen) {
    private enum class Show(
        val word: Int,
    ) {
        XIAOMI(R.string.apps_xiaomi),
        ALL(R.string.apps_all),
        ACTIVE(R.string.apps_active),
    }

    private class Known(
        val app: InstalledApp,
        val counts: Counts,
    )

    private val graph = screen.graph
    private val adapter = RowAdapter(screen, intArrayOf(R.layout.app_row, R.layout.message_row))
    private val root by lazy(::makeRoot)
    private val list get() = root.find<ListView>(R.id.list)
    private var known: List<Known>? = null
    private var wanted: Show? = null
    private var text = ""
    private var top = 0

    /** Packages that were chosen by a long press; empty for none. */
    private val selected = LinkedHashSet<String>()

    override fun shown() {
        screen.show(root)
        if (known == null) adapter.rows = MessageRow.loading(screen)
        screen.load(::read, failed = ::fail) {
            known = it
            showRows()
            if (top > 0) list.setSelection(top)
            top = 0
        }
    }

    override fun hidden() {
        top = list.firstVisiblePosition
    }

    override fun save(state: Bundle) {
        state.putString(SHOW, wanted?.name)
        state.putString(TEXT, text)
        state.putStringArrayList(SELECTED, ArrayList(selected))
        state.putInt(TOP, top)
    }

    override fun restore(state: Bundle) {
        wanted = Show.entries.firstOrNull { it.name == state.getString(SHOW) }
        text = state.getString(TEXT).orEmpty()
        selected += state.getStringArrayList(SELECTED).orEmpty()
        top = state.getInt(TOP)
    }

    private fun read(): List<Known> {
        val counts = HashMap<String, Counts>()
        for (line in graph.core.apps(screen.times.midnight())) {
            val name = line.packageName ?: continue
            counts[name] = counts[name]?.plus(line.counts) ?: line.counts
        }
        return graph.apps
            .all()
            .map { Known(it, counts[it.packageName] ?: Counts()) }
            .sortedByDescending { it.counts.total }
    }

    private fun fail(error: Throwable) {
        adapter.rows = MessageRow.failed(screen, error, ::shown)
    }

    private fun makeRoot(): ViewGroup {
        val view = screen.inflate(R.layout.list_page, screen.find(R.id.content)) as ViewGroup
        view.find<ListView>(R.id.list).adapter = adapter
        view.find<EditText>(R.id.search).search(R.string.search_apps, text) {
            text = it
            showRows()
        }
        return view
    }

    private fun showRows() {
        val all = known ?: return
        val show = wanted ?: if (all.any { it.app.xiaomi }) Show.XIAOMI else Show.ALL
        showChips(show)
        showSelection()
        val fit = all.filter { fits(it, show) && (text in it.app.label || it.app.label.contains(text, true) || text in it.app.packageName) }
        adapter.rows =
            fit.map { AppLine(it) }.ifEmpty { MessageRow.empty(screen, R.string.nothing_fits, R.string.no_app_fits_text) }
    }

    private fun fits(
        known: Known,
        show: Show,
    ) = when (show) {
        Show.XIAOMI -> known.app.xiaomi
        Show.ALL -> true
        Show.ACTIVE -> known.counts.total > 0
    }

    private fun showChips(show: Show) {
        val chips = root.find<LinearLayout>(R.id.chips)
        chips.removeAllViews()
        for (each in Show.entries) {
            val chip = screen.inflate(R.layout.chip, chips) as TextView
            chip.setText(each.word)
            chip.isSelected = each == show
            chip.setOnClickListener {
                wanted = each
                showRows()
            }
            chips.addView(chip)
        }
    }

    private fun showSelection() {
        val place = root.find<FrameLayout>(R.id.selection)
        place.removeAllViews()
        if (selected.isEmpty()) return
        val bar = screen.inflate(R.layout.selection, place)
        val count = screen.resources.getQuantityString(R.plurals.apps_selected, selected.size, selected.size)
        bar.find<TextView>(R.id.selection_count).text = count
        bar.find<Button>(R.id.selection_end).setOnClickListener {
            selected.clear()
            showRows()
        }
        bar.find<ChoiceBar>(R.id.selection_setting).show(SETTINGS.map { it.word }, NONE, count) {
            val packages = selected.toList()
            selected.clear()
            set(packages, SETTINGS[it], count)
        }
        place.addView(bar)
    }

    private fun set(
        packages: List<String>,
        setting: AppSetting,
        whom: String,
    ) = screen.change(screen.getString(R.string.app_set, whom, screen.getString(setting.word)), ::showRows) {
        it.withApps(packages, setting)
    }

    private fun select(packageName: String) {
        if (!selected.remove(packageName)) selected += packageName
        showRows()
    }

    private inner class AppLine(
        private val known: Known,
    ) : Row {
        override val layout = R.layout.app_row

        override fun fill(view: View) {
            val app = known.app
            fillApp(screen, view, app.packageName, app, known.counts)
            view.isActivated = app.packageName in selected
            view.setBackgroundResource(if (view.isActivated) R.color.pressed else R.drawable.press)
            view.find<ChoiceBar>(R.id.app_setting).show(
                SETTINGS.map { it.word },
                SETTINGS.indexOf(graph.settings.now.settingOf(app.packageName)),
                screen.getString(R.string.setting_of, app.label),
            ) { set(listOf(app.packageName), SETTINGS[it], app.label) }
            view.setOnClickListener {
                if (selected.isEmpty()) screen.startActivity(AppActivity.of(screen, app.packageName)) else select(app.packageName)
            }
            view.setOnLongClickListener {
                select(app.packageName)
                true
            }
        }
    }

    companion object {
        /** In the order of the switch. */
        val SETTINGS = listOf(AppSetting.BLOCK, AppSetting.RECORD, AppSetting.OFF)
        private const val NONE = -1
        private const val SHOW = "apps-show"
        private const val TEXT = "apps-text"
        private const val SELECTED = "apps-selected"
        private const val TOP = "apps-top"

        /** Fills what the list and the app's own screen show alike. */
        fun fillApp(
            screen: ScreenActivity,
            view: View,
            packageName: String,
            app: InstalledApp?,
            counts: Counts,
        ) {
            screen.faces.icon(view.find<ImageView>(R.id.app_icon), packageName)
            view.find<TextView>(R.id.app_name).text = app?.label ?: packageName
            view.find<TextView>(R.id.app_package).text = packageName
            view.find<TextView>(R.id.app_counts).text = todayWords(screen, counts)
            view.find<TextView>(R.id.app_note).line(if (app?.sendsForOthers == true) screen.getString(R.string.sends_for_others) else null)
        }
    }
}
