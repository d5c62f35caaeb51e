package app.muzzle.ui

import android.content.Intent
import android.os.Bundle
import android.view.Gravity
import android.view.Menu
import android.view.View
import android.view.ViewGroup
import android.widget.LinearLayout
import android.widget.TextView
import app.muzzle.R
import app.muzzle.graph

/** The four tabs. */
class MainActivity : ScreenActivity() {
    private class Tab(
        val id: Int,
        val title: Int,
        val icon: Int,
        val page: Page,
    )

    private val tabs by lazy {
        listOf(
            Tab(R.id.tab_home, R.string.tab_home, R.drawable.ic_home, HomePage(this)),
            Tab(R.id.tab_apps, R.string.tab_apps, R.drawable.ic_apps, AppsPage(this)),
            Tab(R.id.tab_timeline, R.string.tab_timeline, R.drawable.ic_timeline, TimelinePage(this)),
            Tab(R.id.tab_hosts, R.string.tab_hosts, R.drawable.ic_hosts, HostsPage(this)),
        )
    }
    private var chosen = 0

    override fun onCreate(savedInstanceState: Bundle?) {
        super.onCreate(savedInstanceState)
        savedInstanceState?.let { state ->
            chosen = state.getInt(CHOSEN)
            tabs.forEach { it.page.restore(state) }
        }
        val bar = find<LinearLayout>(R.id.tabs)
        bar.visibility = View.VISIBLE
        showMenu()
        tabs.forEachIndexed { index, tab -> bar.addView(button(tab, index)) }
        showTools(toolbar)
        if (savedInstanceState == null && !graph.settings.now.firstRunDone) {
            startActivity(Intent(this, FirstRunActivity::class.java))
        }
    }

    override fun onResume() {
        super.onResume()
        choose(chosen)
    }

    override fun onPause() {
        tabs[chosen].page.hidden()
        super.onPause()
    }

    override fun onSaveInstanceState(state: Bundle) {
        super.onSaveInstanceState(state)
        state.putInt(CHOSEN, chosen)
        tabs.forEach { it.page.save(state) }
    }

    /** The timeline page, brought to the front: figures and bars lead there with a filter. */
    fun timeline(): TimelinePage {
        val index = tabs.indexOfFirst { it.page is TimelinePage }
        choose(index)
        return tabs[index].page as TimelinePage
    }

    private fun showMenu() {
        toolbar.menu.add(Menu.NONE, R.id.menu_identifiers, Menu.NONE, R.string.identifiers).setOnMenuItemClickListener {
            startActivity(Intent(this, IdentifiersActivity::class.java))
            true
        }
    }

    private fun choose(index: Int) {
        if (index != chosen) tabs[chosen].page.hidden()
        chosen = index
        toolbar.setTitle(if (index == 0) R.string.app_name else tabs[index].title)
        val bar = find<LinearLayout>(R.id.tabs)
        tabs.indices.forEach { bar.getChildAt(it).isSelected = it == index }
        tabs[index].page.shown()
    }

    private fun button(
        tab: Tab,
        index: Int,
    ) = TextView(this).apply {
        id = tab.id
        setText(tab.title)
        setTextAppearance(R.style.Text_Small)
        setTextColor(resources.getColorStateList(R.color.tab, theme))
        textSize = TAB_TEXT
        gravity = Gravity.CENTER
        val icon = getDrawable(tab.icon)?.mutate()
        icon?.setTintList(resources.getColorStateList(R.color.tab, theme))
        setCompoundDrawablesWithIntrinsicBounds(null, icon, null, null)
        val pad = resources.getDimensionPixelSize(R.dimen.edge) / 2
        setPadding(0, pad, 0, pad)
        minHeight = resources.getDimensionPixelSize(R.dimen.touch)
        setBackgroundResource(R.drawable.press)
        layoutParams = LinearLayout.LayoutParams(0, ViewGroup.LayoutParams.WRAP_CONTENT, 1f)
        setOnClickListener { choose(index) }
    }

    private companion object {
        const val CHOSEN = "tab"
        const val TAB_TEXT = 12f
    }
}
