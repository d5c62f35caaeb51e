package app.muzzle.ui

import android.app.Activity
import android.content.Intent
import android.view.Menu
import android.widget.Toolbar
import app.muzzle.R

/** The menu's way to the screens that are no tabs. */
fun Activity.showTools(toolbar: Toolbar) {
    val tools =
        listOf(
            R.string.menu_export to ExportActivity::class.java,
            R.string.menu_settings to SettingsActivity::class.java,
            R.string.menu_keep_alive to KeepAliveActivity::class.java,
        )
    toolbar.overflowIcon = getDrawable(R.drawable.ic_more)
    for ((word, screen) in tools) {
        toolbar.menu.add(Menu.NONE, Menu.NONE, LAST, word).setOnMenuItemClickListener {
            startActivity(Intent(this, screen))
            true
        }
    }
}

/** After what a screen puts there itself. */
private const val LAST = 100
