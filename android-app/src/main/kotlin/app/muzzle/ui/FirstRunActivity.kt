package app.muzzle.ui

import android.content.Intent
import android.os.Bundle
import android.widget.Button
import android.widget.FrameLayout
import android.widget.ImageView
import android.widget.TextView
import app.muzzle.R
import app.muzzle.graph

/** Says what Muzzle does and what it cannot, then asks Android for the VPN. */
class FirstRunActivity : ScreenActivity() {
    private class Leaf(
        val drawing: Int,
        val title: Int,
        val text: Int,
    )

    private val leaves =
        listOf(
            Leaf(R.drawable.first_does, R.string.first_does, R.string.first_does_text),
            Leaf(R.drawable.first_cannot, R.string.first_cannot, R.string.boundaries),
            Leaf(R.drawable.first_vpn, R.string.first_vpn, R.string.first_vpn_text),
        )
    private var at = 0

    override fun onCreate(savedInstanceState: Bundle?) {
        super.onCreate(savedInstanceState)
        toolbar.setTitle(R.string.app_name)
        at = savedInstanceState?.getInt(AT) ?: 0
        showLeaf()
    }

    override fun onSaveInstanceState(state: Bundle) {
        super.onSaveInstanceState(state)
        state.putInt(AT, at)
    }

    private fun showLeaf(top: Boolean = false) {
        val leaf = leaves[at]
        val view = inflate(R.layout.first_card, find<FrameLayout>(R.id.content))
        view.find<ImageView>(R.id.first_drawing).setImageResource(leaf.drawing)
        view.find<TextView>(R.id.first_step).text = getString(R.string.first_step, at + 1, leaves.size)
        view.find<TextView>(R.id.first_title).setText(leaf.title)
        view.find<TextView>(R.id.first_text).setText(leaf.text)
        val next = view.find<Button>(R.id.first_next)
        next.setText(if (at == leaves.lastIndex) R.string.turn_on else R.string.first_next)
        next.setOnClickListener { next() }
        view.find<Button>(R.id.first_later).setOnClickListener { done { finish() } }
        show(view, top)
    }

    private fun next() {
        if (at < leaves.lastIndex) {
            at++
            showLeaf(top = true)
        } else {
            done { grant.turnOn() }
        }
    }

    private fun done(then: () -> Unit) {
        load({ graph.settings.update { it.copy(firstRunDone = true) } }) { then() }
    }

    override fun vpnAnswered(granted: Boolean) {
        if (granted) startActivity(Intent(this, KeepAliveActivity::class.java))
        finish()
    }

    private companion object {
        const val AT = "at"
    }
}
