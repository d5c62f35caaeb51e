package app.muzzle.ui

import android.os.Bundle
import app.muzzle.R
import app.muzzle.core.HostList
import app.muzzle.core.Verdict
import app.muzzle.graph
import app.muzzle.settings.OwnerSettings
import app.muzzle.settings.withCategory
import app.muzzle.settings.withList
import java.text.NumberFormat

/** Which lists count. */
class ListsActivity : ScreenActivity() {
    private val now get() = graph.settings.now

    override fun onCreate(savedInstanceState: Bundle?) {
        super.onCreate(savedInstanceState)
        toolbar.setTitle(R.string.lists_title)
        showUp()
        showLoading()
        reload()
    }

    private fun reload() {
        load(::read, failed = { showError(it) { reload() } }, then = ::showAll)
    }

    private fun read(): List<HostList> = graph.core.lists().lists.filter { it.name in PROFILES || it.name == NEVER }

    private fun showAll(builtIn: List<HostList>) {
        val column = Column(this)
        column.showBuiltIn(builtIn)
        column.showKinds()
        show(column.root)
    }

    private fun Column.showBuiltIn(lists: List<HostList>) {
        heading(R.string.lists_built_in)
        card {
            for (list in lists.filter { it.name != NEVER }.sortedBy { PROFILES.keys.indexOf(it.name) }) {
                val title = getString(PROFILES.getValue(list.name))
                switch(title, aboutList(list), list.name !in now.listsOff) { on -> set(title, on) { it.withList(list.name, on) } }
            }
            lists.firstOrNull { it.name == NEVER }?.let { small(getString(R.string.lists_never, number(it.rules.toLong()))) }
        }
    }

    private fun Column.showKinds() {
        heading(R.string.lists_kinds)
        card {
            val ads = getString(R.string.category_ads)
            switch(ads, getString(R.string.lists_ads_text), now.categories[ADS] != Verdict.ALLOW) { on ->
                set(ads, on) { it.withCategory(ADS, if (on) null else Verdict.ALLOW) }
            }
            val push = getString(R.string.category_push)
            switch(push, getString(R.string.lists_push_text), now.categories[PUSH] == Verdict.BLOCK) { on ->
                set(push, on) { it.withCategory(PUSH, if (on) Verdict.BLOCK else null) }
            }
            small(getString(R.string.lists_switch))
        }
    }

    private fun set(
        title: String,
        on: Boolean,
        change: (OwnerSettings) -> OwnerSettings,
    ) = change(getString(R.string.app_set, title, getString(if (on) R.string.lists_on else R.string.setting_off)), ::reload, change)

    private fun number(count: Long) = NumberFormat.getIntegerInstance().format(count)

    private companion object {
        const val ADS = "ads"
        const val PUSH = "push"
        const val NEVER = "never-block"

        /** The built-in lists that are switched, by their names in the core. */
        val PROFILES =
            mapOf(
                "xiaomi" to R.string.list_xiaomi,
                "alibaba" to R.string.list_alibaba,
                "sensors" to R.string.list_sensors,
                "other" to R.string.list_other,
            )
    }
}
