package app.muzzle.ui

import android.os.Bundle
import app.muzzle.R
import app.muzzle.graph
import app.muzzle.service.KeepAlive
import app.muzzle.service.KeepState
import app.muzzle.service.KeepStep

/** Leads through what keeps the phone from ending Muzzle. */
class KeepAliveActivity : ScreenActivity() {
    private val keepAlive by lazy { KeepAlive(this) }

    override fun onCreate(savedInstanceState: Bundle?) {
        super.onCreate(savedInstanceState)
        toolbar.setTitle(R.string.menu_keep_alive)
        showUp()
    }

    override fun onResume() {
        super.onResume()
        reload()
    }

    private fun reload() {
        load({ keepAlive.steps().map { it to keepAlive.state(it) } }, then = ::showSteps)
    }

    private fun showSteps(steps: List<Pair<KeepStep, KeepState>>) {
        val said = graph.settings.now.dismissed
        val column = Column(this)
        column.card { text(getString(R.string.keep_alive_text)) }
        for ((step, state) in steps) column.card { showStep(step, state, step.code in said) }
        show(column.root)
    }

    private fun Card.showStep(
        step: KeepStep,
        state: KeepState,
        said: Boolean,
    ) {
        text(getString(step.title), R.style.Text_Title)
        small(getString(step.text))
        val done = state == KeepState.DONE || (state == KeepState.UNKNOWN && said)
        val icon = if (done) R.drawable.ic_answered else R.drawable.ic_gap
        val line = status(getString(words(state, said)))
        line.setCompoundDrawablesRelativeWithIntrinsicBounds(icon, 0, 0, 0)
        line.compoundDrawablePadding = resources.getDimensionPixelSize(R.dimen.edge) / 2
        button(R.string.step_open) { leadTo(keepAlive.pages(step)) }
        if (state == KeepState.UNKNOWN && !said) button(R.string.step_did) { say(step) }
    }

    private fun words(
        state: KeepState,
        said: Boolean,
    ) = when {
        state == KeepState.DONE -> R.string.step_done
        state == KeepState.OPEN -> R.string.step_open_yet
        said -> R.string.step_said_done
        else -> R.string.step_unknown
    }

    private fun say(step: KeepStep) {
        load({ graph.settings.update { it.copy(dismissed = it.dismissed + step.code) } }) { reload() }
    }
}
